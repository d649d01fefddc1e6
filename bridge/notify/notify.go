// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Options is how a service is told of. Send and Logger are required.
type Options struct {
	// Send sends one message, lines of NAME=VALUE.
	Send func(state string) error
	// Watchdog is how long after a beat the service is killed where no other comes;
	// 0: it is not watched.
	Watchdog time.Duration
	// Patience is how long the service waits to be ready before it says that it has
	// started all the same; 0 is [DefaultPatience].
	Patience time.Duration
	Logger   *slog.Logger
}

// DefaultPatience is long enough for an analyzer that is up, and short enough for a
// boot, or the installation of a package, that waits for the service.
const DefaultPatience = 10 * time.Second

// Service is how the service manager sees this process. Its methods may be called
// concurrently, and on nil, where they do nothing.
type Service struct {
	options Options
	began   time.Time

	mu     sync.Mutex // for what follows, and so that messages are sent in order
	phase  phase
	status string // as sent last
	failed bool   // the last message could not be sent
	hangs  string // as logged last
}

type phase int

const (
	starting phase = iota
	running
	stopping
)

// FromEnvironment returns the service that systemd started this process as, by the
// variables NOTIFY_SOCKET and WATCHDOG_USEC; nil where there is none.
func FromEnvironment(logger *slog.Logger) (*Service, error) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil, nil
	}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return nil, fmt.Errorf("notify: systemd's watchdog: %w", err)
	}
	return New(Options{
		Send: func(state string) error {
			_, err := daemon.SdNotify(false, state)
			return err
		},
		Watchdog: watchdog,
		Logger:   logger,
	}), nil
}

// New returns a service that is starting.
func New(options Options) *Service {
	if options.Patience == 0 {
		options.Patience = DefaultPatience
	}
	return &Service{options: options, began: time.Now()}
}

// Status sends a line for people, if it is not the one that they see already.
func (s *Service) Status(line string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendStatus(line)
}

// sendStatus does so. The caller holds mu.
func (s *Service) sendStatus(line string) {
	if line = oneLine(line); line != s.status && s.send("STATUS="+line) {
		s.status = line
	}
}

// Reloading says that the configuration is read again; done, which must be called,
// that the one that is in force now stays. A reload before the service has started,
// or while it stops, is not told: READY would end the start.
func (s *Service) Reloading() (done func()) {
	if s == nil {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != running {
		return func() {}
	}
	s.send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.phase == running {
			s.send(daemon.SdNotifyReady)
		}
	}
}

// Stopping says that the service ends, and what it is about to do until then.
func (s *Service) Stopping(line string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == stopping {
		return
	}
	s.phase = stopping
	s.send(daemon.SdNotifyStopping)
	s.sendStatus(line)
}

// send sends a message, and says whether that worked. Where it does not, there is
// nobody to tell but the log, once until it works again. The caller holds mu.
func (s *Service) send(state string) bool {
	err := s.options.Send(state)
	if err != nil && !s.failed {
		s.options.Logger.Error("systemd cannot be told how the service is; it may stop the service", "err", err)
	}
	s.failed = err != nil
	return err == nil
}

// oneLine makes a text fit for a line of the protocol.
func oneLine(text string) string {
	return strings.Join(strings.Fields(text), " ")
}
