// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package notify reports the bridge's status to systemd by the protocol of sd_notify(3): that
// it has started, what it is doing, that nothing hangs; see [Watched].
package notify

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Options are those of a service. Send and Logger are required.
type Options struct {
	// Send sends one message, lines of NAME=VALUE.
	Send func(state string) error
	// Watchdog is after how long without a notification systemd kills the service; 0: never.
	Watchdog time.Duration
	// ReloadFile, where given, is replaced after each reload: empty where it succeeded, else
	// with the error. ExecReload= waits for it.
	ReloadFile string
	// Patience is after how long a service that is not ready reports that it has started all
	// the same; 0 is [DefaultPatience].
	Patience time.Duration
	Logger   *slog.Logger
}

// DefaultPatience is long enough for an analyzer that is up, and short enough for a boot or a
// package installation that waits for the service.
const DefaultPatience = 10 * time.Second

// Service notifies the service manager. Its methods may be called concurrently, and on nil,
// where they do nothing.
type Service struct {
	options Options
	began   time.Time

	mu           sync.Mutex // for what follows, and so that messages are sent in order
	phase        phase
	line         string // the bridge's latest status
	reload       string // the result of the last reload; "": there was none
	reloadFailed bool
	status       string // as last sent
	failed       bool   // the last message could not be sent
	hangs        string // as last logged
}

type phase int

const (
	starting phase = iota
	running
	stopping
)

// FromEnvironment returns the service as which systemd started this process, by NOTIFY_SOCKET,
// WATCHDOG_USEC and RUNTIME_DIRECTORY; nil where there is none.
func FromEnvironment(logger *slog.Logger) (*Service, error) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil, nil
	}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return nil, fmt.Errorf("notify: systemd's watchdog: %w", err)
	}
	reloadFile := ""
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		reloadFile = filepath.Join(dir, "reload")
	}
	return New(Options{
		Send:       send,
		Watchdog:   watchdog,
		ReloadFile: reloadFile,
		Logger:     logger,
	}), nil
}

// sendTimeout is how long systemd may take to accept a message, so that the bridge cannot hang.
const sendTimeout = time.Second

// send sends a message to systemd, as [daemon.SdNotify] does without a timeout.
func send(state string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: os.Getenv("NOTIFY_SOCKET"), Net: "unixgram"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // what counts was written
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}

// New returns a service that is starting.
func New(options Options) *Service {
	if options.Patience == 0 {
		options.Patience = DefaultPatience
	}
	return &Service{options: options, began: time.Now()}
}

// Status sends a status line, unless it is the present one.
func (s *Service) Status(line string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendStatus(line)
}

// sendStatus sends the status and the result of the last reload, which comes first where it
// failed. The caller holds mu.
func (s *Service) sendStatus(line string) {
	s.line = line
	text := line
	switch {
	case s.reload == "":
	case s.reloadFailed:
		text = s.reload + "; " + line
	default:
		text = line + "; " + s.reload
	}
	text = oneLine(text)
	if text != s.status && s.send("STATUS="+text) {
		s.status = text
	}
}

// Reloading notifies that the configuration is read again; done, which must be called, reports
// the result, which stays in the status until the next reload or the end. A reload before the
// service has started, or while it stops, is not notified: READY would end the start.
func (s *Service) Reloading() (done func(error)) {
	if s == nil {
		return func(error) {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	notified := s.phase == running
	if notified {
		s.send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	}
	return func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		at := time.Now().Format(time.DateTime)
		s.reload, s.reloadFailed = "reloaded at "+at, err != nil
		if err != nil {
			s.reload = "reload failed at " + at + ", the former configuration stays in force: " + oneLine(err.Error())
		}
		if notified && s.phase == running {
			s.sendStatus(s.line)
			s.send(daemon.SdNotifyReady)
		}
		s.writeReload(err) // last: ExecReload= ends by it
	}
}

// writeReload writes the result of a reload where ExecReload= reads it.
func (s *Service) writeReload(failed error) {
	if s.options.ReloadFile == "" {
		return
	}
	var text string
	if failed != nil {
		text = failed.Error() + "\n"
	}
	temporary := s.options.ReloadFile + ".new"
	err := os.WriteFile(temporary, []byte(text), 0o600)
	if err == nil {
		err = os.Rename(temporary, s.options.ReloadFile) // whole, or not there
	}
	if err != nil {
		s.options.Logger.Error("the result of the reload cannot be written: systemctl reload waits in vain", "err", err)
	}
}

// Stopping notifies that the service stops, with a last status.
func (s *Service) Stopping(line string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == stopping {
		return
	}
	s.phase, s.reload = stopping, ""
	s.send(daemon.SdNotifyStopping)
	s.sendStatus(line)
}

// send sends a message, and reports whether that worked. A failure is logged once until it
// works again. The caller holds mu.
func (s *Service) send(state string) bool {
	err := s.options.Send(state)
	if err != nil && !s.failed {
		s.options.Logger.Error("systemd cannot be notified of the service's status; it may stop the service", "err", err)
	}
	s.failed = err != nil
	return err == nil
}

// maxStatus bounds a status in bytes: systemd ignores messages above 4096.
const maxStatus = 2000

// oneLine makes a text a valid line of the protocol.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")), " ")
	if len(text) > maxStatus {
		text = text[:maxStatus] + "…"
	}
	return strings.ToValidUTF8(text, "") // anything else is ignored
}
