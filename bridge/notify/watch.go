// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"context"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Watched is what the service manager is notified of. Hangs may be called concurrently with the
// other two.
type Watched struct {
	// Ready reports whether the bridge does its work.
	Ready func() bool
	// Status returns its status line.
	Status func() string
	// Hangs names what has not made progress for longer than patience; "": nothing. It must
	// not wait for anything that may hang.
	Hangs func(patience time.Duration) string
}

const (
	// startInterval is how often a starting service is checked.
	startInterval = 100 * time.Millisecond
	// statusInterval is how often a status line is sent at most.
	statusInterval = 10 * time.Second
)

// DefaultHang is how long anything may hang without a watchdog: half of the WatchdogSec of our
// unit.
const DefaultHang = 90 * time.Second

// HangsAfter is how long anything may hang: half of the watchdog's time, or [DefaultHang].
func (s *Service) HangsAfter() time.Duration {
	if s == nil || s.options.Watchdog == 0 {
		return DefaultHang
	}
	return s.options.Watchdog / 2
}

// Run notifies systemd until ctx is done: that the service has started, as soon as it is ready
// or after [Options.Patience] (an analyzer can be down for days, and a bridge that pushes a
// backlog meanwhile must not be killed); then of its status, and the watchdog.
func (s *Service) Run(ctx context.Context, w Watched) {
	if s == nil {
		return
	}
	// Separately, for Status may wait while something hangs.
	var watching sync.WaitGroup
	watching.Go(func() {
		repeat(ctx, func() (next time.Duration) {
			if !s.hasStarted(w) {
				return startInterval
			}
			s.updateStatus(w.Status())
			return statusInterval
		})
	})
	if every := s.options.Watchdog / 4; every > 0 {
		watching.Go(func() {
			repeat(ctx, func() time.Duration {
				s.notifyWatchdog(w)
				return every
			})
		})
	}
	watching.Wait()
}

// repeat calls f at once and then after each duration that f returned, until ctx is done.
func repeat(ctx context.Context, f func() time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(f())
	}
}

// hasStarted reports whether the service has started, and notifies systemd the first time.
func (s *Service) hasStarted(w Watched) bool {
	s.mu.Lock()
	is := s.phase
	s.mu.Unlock()
	if is != starting {
		return true
	}
	if !w.Ready() && time.Since(s.began) < s.options.Patience {
		return false
	}
	line := w.Status()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == starting {
		s.sendStatus(line)
		if !s.send(daemon.SdNotifyReady) {
			return false // will be tried again
		}
		s.phase = running
	}
	return true
}

// updateStatus sends a status line, unless the service stops or hangs.
func (s *Service) updateStatus(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != stopping && s.hangs == "" {
		s.sendStatus(line)
	}
}

// notifyWatchdog notifies the watchdog that nothing hangs; else it logs what hangs and sets the
// status.
func (s *Service) notifyWatchdog(w Watched) {
	hangs := w.Hangs(s.HangsAfter())
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case hangs == "":
		if s.hangs != "" {
			s.options.Logger.Warn("what hung makes progress again", "what", s.hangs)
		}
		s.send(daemon.SdNotifyWatchdog)
	case s.hangs == "":
		s.options.Logger.Error("the bridge hangs; systemd's watchdog will restart it", "what", hangs, "watchdog", s.options.Watchdog)
		s.sendStatus("hangs: " + hangs)
	}
	s.hangs = hangs
}
