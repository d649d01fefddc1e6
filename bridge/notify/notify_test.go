// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// manager is a service manager in a bubble: it records its notifications and when they came.
type manager struct {
	*Service
	began time.Time
	logs  bytes.Buffer
	watch Watched
	end   func()

	mu      sync.Mutex
	told    []string // with the bubble's time
	beats   []time.Duration
	ready   bool
	status  string
	hangs   string
	failing error
}

// newManager starts a service with a watchdog of 104 s and a patience of 10 s.
func newManager(t *testing.T, ready bool) *manager {
	m := &manager{began: time.Now(), ready: ready, status: "fine"}
	m.Service = New(Options{Send: m.send, Watchdog: 104 * time.Second, Logger: slog.New(slog.NewTextHandler(&m.logs, nil))})
	m.watch = Watched{
		Ready:  func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.ready },
		Status: func() string { m.mu.Lock(); defer m.mu.Unlock(); return m.status },
		Hangs:  func(time.Duration) string { m.mu.Lock(); defer m.mu.Unlock(); return m.hangs },
	}
	ctx, end := context.WithCancel(t.Context())
	m.end = end
	go m.Run(ctx, m.watch)
	return m
}

func (m *manager) send(state string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return m.failing
	}
	if state == "WATCHDOG=1" {
		m.beats = append(m.beats, time.Since(m.began))
		return nil
	}
	if head, _, found := strings.Cut(state, "MONOTONIC_USEC="); found {
		state = head + "MONOTONIC_USEC"
	}
	m.told = append(m.told, time.Since(m.began).String()+" "+state)
	return nil
}

func (m *manager) set(f func()) {
	m.mu.Lock()
	f()
	m.mu.Unlock()
	synctest.Wait()
}

func (m *manager) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if diff := cmp.Diff(want, m.told); diff != "" {
		t.Errorf("what systemd received differs:\n%s", diff)
	}
}

// TestLife is the order of all states, with the bridge ready after 2 s.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, false)
		m.Status("takes up\n what was left")
		m.Reloading()(nil) // too early to notify
		time.Sleep(2*time.Second - 50*time.Millisecond)
		m.want(t, "0s STATUS=takes up; what was left")
		m.set(func() { m.ready = true })
		time.Sleep(time.Second)
		m.set(func() { m.status = "better" })
		time.Sleep(99*time.Second + 50*time.Millisecond)
		done := m.Reloading()
		time.Sleep(time.Second)
		done(nil)
		m.Stopping("stops")
		m.Reloading()(nil)
		m.Stopping("stops again")
		time.Sleep(time.Minute)
		m.end()
		m.want(t, "0s STATUS=takes up; what was left", "2s STATUS=fine; reloaded at "+at(0), "2s READY=1", "12s STATUS=better; reloaded at "+at(0),
			"1m42s RELOADING=1\nMONOTONIC_USEC", "1m43s STATUS=better; reloaded at "+at(103), "1m43s READY=1", "1m43s STOPPING=1", "1m43s STATUS=stops")
	})
}

// at is a second of a bubble's time, as a status says it.
func at(seconds int) string {
	return time.Date(2000, 1, 1, 0, 0, seconds, 0, time.UTC).Local().Format(time.DateTime)
}

// TestReloadOutcome proves that what came of a reload stays in the status, however
// often the rest of it changes, until the next one, and that it is left for ExecReload=.
func TestReloadOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, true)
		defer m.end()
		m.options.ReloadFile = filepath.Join(t.TempDir(), "reload")
		time.Sleep(5 * time.Second) // beside what is sent every 10 s
		synctest.Wait()
		reload := func(err error, want string) {
			t.Helper()
			m.Reloading()(err)
			if text, err := os.ReadFile(m.options.ReloadFile); err != nil || string(text) != want {
				t.Errorf("ExecReload= finds %q, %v; want %q", text, err, want)
			}
			time.Sleep(time.Minute)
		}
		reload(errors.New("f:3: wrong\nf:4: bad"), "f:3: wrong\nf:4: bad\n")
		m.set(func() { m.status = "series: 7" })
		reload(nil, "")
		reload(errors.New(strings.Repeat("ä", 5000)), strings.Repeat("ä", 5000)+"\n")
		const failed = "STATUS=reload failed at "
		const rest = ", the former configuration stays in force: f:3: wrong; f:4: bad; "
		for i, want := range []string{
			"0s STATUS=fine", "0s READY=1",
			"5s RELOADING=1\nMONOTONIC_USEC", "5s " + failed + at(5) + rest + "fine", "5s READY=1",
			"1m5s RELOADING=1\nMONOTONIC_USEC", "1m5s STATUS=fine; reloaded at " + at(65), "1m5s READY=1", "1m10s STATUS=series: 7; reloaded at " + at(65),
			"2m5s RELOADING=1\nMONOTONIC_USEC", "2m5s " + failed + at(125) + ", the former",
		} {
			if !strings.HasPrefix(m.told[i], want) {
				t.Errorf("told %q, want %q", m.told[i], want)
			}
		}
		for _, told := range m.told {
			if len(told) > 4096 || !utf8.ValidString(told) {
				t.Errorf("systemd ignores a message of %d bytes: %q", len(told), told)
			}
		}
	})
}

// TestNotReadyForLong proves that an analyzer that does not come up keeps nothing
// waiting for longer than the patience.
func TestNotReadyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, false)
		defer m.end()
		m.set(func() { m.status = "not subscribed" })
		time.Sleep(DefaultPatience - time.Second)
		m.want(t)
		time.Sleep(time.Hour)
		m.want(t, "10s STATUS=not subscribed", "10s READY=1")
	})
}

// TestWatchdog proves that beats come often enough where nothing hangs, and none
// where something does, until it makes progress.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, true)
		defer m.end()
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		last := time.Duration(0)
		for _, beat := range m.beats {
			if beat-last > m.options.Watchdog/2 {
				t.Errorf("no beat between %s and %s", last, beat)
			}
			last = beat
		}
		if time.Hour-last > m.options.Watchdog/2 {
			t.Errorf("no beat after %s", last)
		}
		before := len(m.beats)
		m.set(func() { m.hangs = "push" })
		time.Sleep(time.Hour)
		synctest.Wait()
		if now := len(m.beats); now != before {
			t.Errorf("%d beats while push hangs", now-before)
		}
		if n := strings.Count(m.logs.String(), "what=push"); n != 1 {
			t.Errorf("%d log lines name what hangs, want 1:\n%s", n, m.logs.String())
		}
		m.set(func() { m.hangs = "" }) // at 1h59m59s
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(m.beats) == before {
			t.Error("no beats after it continued")
		}
		m.want(t, "0s STATUS=fine", "0s READY=1", "1h0m14s STATUS=hangs: push", "2h0m10s STATUS=fine")
	})
}

// TestStatusPace proves that a status that changes always is sent at a bounded rate.
func TestStatusPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, true)
		defer m.end()
		for range 600 {
			m.set(func() { m.status += "." })
			time.Sleep(100 * time.Millisecond)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if n := len(m.told); n < 6 || n > 9 {
			t.Errorf("%d messages in a minute, want 7 or 8", n)
		}
	})
}

// TestNo oneListens proves that a message that cannot be sent is said once, and the
// status is sent again when it can be.
func TestNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, false)
		defer m.end()
		m.set(func() { m.ready, m.failing = true, errors.New("no such socket") })
		time.Sleep(time.Minute + 50*time.Millisecond)
		synctest.Wait()
		if n := strings.Count(m.logs.String(), "no such socket"); n != 1 {
			t.Errorf("%d log lines, want 1:\n%s", n, m.logs.String())
		}
		m.set(func() { m.failing = nil })
		time.Sleep(time.Minute)
		m.want(t, "1m0.1s STATUS=fine", "1m0.1s READY=1")
	})
}

// TestNil proves that without a service manager nothing is done.
func TestNil(t *testing.T) {
	var s *Service
	s.Status("x")
	s.Reloading()(nil)
	s.Stopping("x")
	s.Run(t.Context(), Watched{}) // returns at once
}
