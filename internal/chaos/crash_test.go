// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/await"
)

// TestWhatACrashTakes kills bridges over and over, and nothing is reported again
// afterwards but by the flows that continue. It measures the bytes that are gone
// with each crash: at most what was reported since the last tick that was on
// disk, and nothing counts twice.
func TestWhatACrashTakes(t *testing.T) {
	t.Parallel()
	n := 2
	if os.Getenv("CHAOS_DURATION") != "" {
		n = 10
	}
	t.Run("kill -9", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 7, connections, time.Duration(n+1)*crashEvery)
		w.asProcess()
		w.crashes(7, n)
	})
	t.Run("loss of power", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 8, connections, time.Duration(n+1)*crashEvery)
		w.asMachine(8)
		w.crashes(8, n)
	})
}

// crashEvery is the longest time between two crashes, a few ticks.
const crashEvery = 3 * time.Second

// ledger knows what the bridge must have on disk.
type ledger struct {
	*world
	before int // records sent before this life of the bridge
	marks  []mark
	next   time.Time
}

// mark is a moment at which the bridge had all that was sent.
type mark struct {
	ticks float64 // that were complete
	bytes uint64  // by which the flows had grown
}

// note takes down what has arrived, a few times in a second.
func (l *ledger) note() {
	now := time.Now()
	if now.Before(l.next) {
		return
	}
	l.next = now.Add(50 * time.Millisecond)
	m := mark{bytes: l.scenario.bytes}
	received, err := await.Scrape(l.ctx, l.bridge.url(), "skybridge_updates_received_total")
	if err != nil || int(received) != l.scenario.sent-l.before {
		return
	}
	if m.ticks, err = await.Scrape(l.ctx, l.bridge.url(), "skybridge_ticks_total"); err == nil {
		l.marks = append(l.marks, m)
	}
}

// safe is by how much the flows had grown by then, of what is on disk now: the
// second tick that ended after a moment began after it.
func (l *ledger) safe() (bytes uint64) {
	l.t.Helper()
	ticks, err := await.Scrape(l.ctx, l.bridge.url(), "skybridge_ticks_total")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, m := range l.marks {
		if m.ticks+2 <= ticks {
			bytes = max(bytes, m.bytes)
		}
	}
	return bytes
}

// crashes kills the bridge n times in the course of the scenario.
func (w *world) crashes(seed uint64, n int) {
	w.t.Helper()
	rng := rand.New(rand.NewPCG(seed, 6))
	w.open()
	l := &ledger{world: w, before: 0}
	atRisk, fed, told := uint64(0), w.scenario.bytes, time.Duration(0)
	for range n {
		w.goOn(&told, crashEvery-upTo(rng, time.Second), l.note)
		safe := l.safe()
		w.bridge.kill()
		atRisk += w.scenario.bytes - max(safe, fed)
		fed = w.scenario.bytes
		w.ended()
		// Else the analyzers may forget the new connection together with the old one.
		w.gone()
		w.start()
		w.awaitUp()
		w.await(func() (bool, string) { return w.subscribed(), "not subscribed" })
		l.marks, l.before = nil, w.scenario.sent
	}
	w.goOn(&told, crashEvery/2, l.note)
	if !w.heard(func() {}) {
		w.t.Fatal("a connection was lost")
	}
	w.stop()

	for _, problem := range w.breaches() {
		w.t.Error(problem)
	}
	perSecond := float64(w.scenario.bytes) / told.Seconds()
	for name, got := range w.stored() {
		var lost uint64
		for series, want := range w.scenario.reference.Totals() {
			switch {
			case got[series] <= want && strings.HasPrefix(series, "bytes{"):
				lost += want - got[series]
			case got[series] > want:
				w.t.Errorf("%s has counted %v twice: %d of %d", name, series, got[series], want)
			}
		}
		w.t.Logf("%s: %d crashes took %.0f bytes each, at most %.0f were at risk; %.0f bytes are reported in a push_interval",
			name, n, float64(lost)/float64(n), float64(atRisk)/float64(n), perSecond)
		if lost > atRisk {
			w.t.Errorf("%s: %d bytes are lost, at most %d were reported since the last tick on disk", name, lost, atRisk)
		}
	}
}

// gone returns when the analyzers have noticed that the bridge has gone.
func (w *world) gone() {
	w.t.Helper()
	if err := await.Wait(w.ctx, func() (bool, string) {
		return len(w.analyzers[0].Namespaces())+len(w.analyzers[1].Namespaces()) == 0, "the analyzers keep the bridge"
	}); err != nil {
		w.t.Fatal(err)
	}
}

// goOn tells the scenario for some time.
func (w *world) goOn(told *time.Duration, lasts time.Duration, between func()) {
	w.t.Helper()
	began := time.Now()
	for ticker := time.NewTicker(beat); ; {
		elapsed := min(time.Since(began), lasts)
		w.scenario.advance(*told + elapsed)
		between()
		if elapsed == lasts {
			break
		}
		w.bridge.check()
		select {
		case <-ticker.C:
		case <-w.ctx.Done():
			w.t.Fatalf("the run takes too long\n%s", w.logs)
		}
	}
	*told += lasts
}
