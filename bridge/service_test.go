// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/bridge/notify"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/prom"
)

// manager is what a service manager was sent, in order.
type manager struct {
	mu   sync.Mutex
	sent []string
}

func (m *manager) send(state string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, state)
	return nil
}

// after counts the messages that begin with prefix, from the n-th on.
func (m *manager) after(n int, prefix string) (count int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, state := range m.sent[n:] {
		if strings.HasPrefix(state, prefix) {
			count++
		}
	}
	return count
}

func (m *manager) last() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sent) == 0 {
		return ""
	}
	return m.sent[len(m.sent)-1]
}

func (m *manager) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sent)
}

// TestWatchdogOfWhatHangs makes a part of the bridge hang on its disk, for longer than
// its watchdog allows and not yet as long as the disk may take. The beats stop, it is said
// what hangs, to /-/healthy as well, and they come again when it makes progress. That they stop
// for as long as it hangs, bridge/notify proves; that ingest is noticed to hang, which
// a disk does not bring about (the journal is written by ticks), bridge/skydive does.
func TestWatchdogOfWhatHangs(t *testing.T) {
	for _, test := range []struct {
		name  string
		hangs func(op disktest.Op, name string) bool
		want  string
	}{
		{"push", func(op disktest.Op, name string) bool { return op == disktest.Read && strings.Contains(name, "/log/") }, "push ("},
		{"ticks", func(op disktest.Op, name string) bool { return op == disktest.Write && strings.Contains(name, "/log/") }, "ticks ("},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, 1, prom.Options{})
			m, fs := &manager{}, disktest.NewHanging(disk.OS{})
			r.dir, r.fs = t.TempDir(), fs
			r.service = notify.New(notify.Options{Send: m.send, Watchdog: 6 * time.Second, Logger: slog.New(slog.NewTextHandler(r.logs, nil))})
			r.configure("", "")
			r.start()
			r.play(20)
			release := sync.OnceFunc(fs.Hang(test.hangs))
			t.Cleanup(release)
			now := time.Now().UnixMilli()
			metric := &analyzer.Metric{ABBytes: 60, ABPackets: 1, Start: now, Last: now}
			more := []analyzer.Flow{{
				UUID: "more", NodeTID: "n", CaptureID: "c", Start: now, Metric: metric, LastUpdateMetric: metric,
				Transport: &analyzer.Transport{Protocol: "TCP", A: 1, B: 2},
			}}
			ended := make(chan struct{})
			stop := sync.OnceFunc(func() { close(ended) })
			t.Cleanup(stop)
			fed := make(chan struct{})
			go func() { // flows continue to come
				defer close(fed)
				for pace := time.NewTicker(10 * time.Millisecond); ; {
					select {
					case <-ended:
						pace.Stop()
						return
					case <-pace.C:
						r.Analyzers[0].SendFlows(more)
					}
				}
			}()
			r.await(func() (bool, string) {
				return m.after(0, "STATUS=hangs: ") > 0 && strings.Contains(r.logs.String(), test.want), fmt.Sprintf("not said that it hangs: %s (%q)", test.want, m.last())
			})
			if err := r.healthy(); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("healthy: %v, want a 503 that says %q", err, test.want)
			}
			before := m.len()
			release()
			stop()
			<-fed
			r.await(func() (bool, string) { return m.after(before, "WATCHDOG=1") > 0, "no beat after it continued" })
			if err := r.healthy(); err != nil {
				t.Errorf("not healthy after that: %v", err)
			}
			r.halt()
			if m.after(0, "STOPPING=1") != 1 {
				t.Error("not said that it stops")
			}
		})
	}
}
