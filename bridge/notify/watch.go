// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"context"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Watched is what the service manager wants to know of the bridge. Hangs may be
// called beside the other two.
type Watched struct {
	// Ready reports whether the bridge does its work.
	Ready func() bool
	// Status says in a line for people how it is.
	Status func() string
	// Hangs names what has not gone on for longer than patience; "" is nothing. It
	// waits for nothing that may hang.
	Hangs func(patience time.Duration) string
}

const (
	// startPace is how often a starting service is looked at.
	startPace = 100 * time.Millisecond
	// statusPace is how often a status line is sent, at most.
	statusPace = 10 * time.Second
)

// DefaultHang is how long anything may hang where no watchdog says otherwise: half of
// the WatchdogSec that the unit comes with.
const DefaultHang = 90 * time.Second

// HangsAfter is how long anything may hang: half the watchdog's time, so that what
// hangs is killed one to two of those after it began to; without one, [DefaultHang].
func (s *Service) HangsAfter() time.Duration {
	if s == nil || s.options.Watchdog == 0 {
		return DefaultHang
	}
	return s.options.Watchdog / 2
}

// Run looks at the bridge until ctx is done: it says that the service has started as
// soon as it is ready, or has not been for too long (what it waits for need not come:
// an analyzer can be down for days, and a bridge that pushes a backlog meanwhile must
// not be killed); then how it is, and to the watchdog that nothing hangs.
func (s *Service) Run(ctx context.Context, w Watched) {
	if s == nil {
		return
	}
	// Apart, for how the bridge is may not be known while it hangs.
	var watching sync.WaitGroup
	watching.Go(func() {
		repeat(ctx, func() (next time.Duration) {
			if !s.hasStarted(w) {
				return startPace
			}
			s.tell(w.Status())
			return statusPace
		})
	})
	if every := s.options.Watchdog / 4; every > 0 {
		watching.Go(func() {
			repeat(ctx, func() time.Duration {
				s.beat(w)
				return every
			})
		})
	}
	watching.Wait()
}

// repeat calls f, at once and then each time that has passed what f returned, until
// ctx is done.
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

// hasStarted reports whether the service has, and tells so the first time.
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
			return false // and is tried again
		}
		s.phase = running
	}
	return true
}

// tell sends a status line, but none over that of a service that stops or hangs.
func (s *Service) tell(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != stopping && s.hangs == "" {
		s.sendStatus(line)
	}
}

// beat tells the watchdog that nothing hangs, or the log and people what does.
func (s *Service) beat(w Watched) {
	hangs := w.Hangs(s.HangsAfter())
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case hangs == "":
		if s.hangs != "" {
			s.options.Logger.Warn("what hung goes on again", "what", s.hangs)
		}
		s.send(daemon.SdNotifyWatchdog)
	case s.hangs == "":
		s.options.Logger.Error("the bridge hangs; without a beat systemd's watchdog will end it and start it anew", "what", hangs, "watchdog", s.options.Watchdog)
		s.sendStatus("hangs: " + hangs)
	}
	s.hangs = hangs
}
