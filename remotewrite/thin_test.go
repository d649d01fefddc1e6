// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestThinCrashPoints proves that a process that dies at any operation while it
// makes room, with the power or without, has what ended in each tick afterwards.
func TestThinCrashPoints(t *testing.T) {
	const ticks = 12
	for _, power := range []bool{false, true} {
		for dieAt := 0; ; dieAt++ {
			d := disktest.New(uint64(dieAt))
			cfg := LogConfig{FS: d, Dir: "log", MaxBytes: 3000, SegmentBytes: 500}
			open := func() (*Log, error) {
				return OpenLog(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
			}
			l, err := open()
			if err != nil {
				t.Fatal(err)
			}
			c := l.resumeCursor("a")
			l.settle()
			durable := 0
			for i := range ticks {
				if i == ticks/2 {
					d.Fail(func(n int, _ disktest.Op, _ string) error {
						if n >= dieAt {
							return disktest.ErrDead
						}
						return nil
					})
				}
				if err := appendTo(l, endingTick(l, i)); err != nil {
					t.Fatal(err)
				}
				if !d.Dead() {
					durable = i + 1
				}
			}
			survived := !d.Dead()
			c.close()
			if power {
				d.LosePower()
			} else {
				d.Kill()
			}
			d.Fail(nil)
			if l, err = open(); err != nil {
				t.Fatal(err)
			}
			var ended uint64
			thin := 0
			for i, tick := range l.ticks {
				if tick.seq != uint64(i+1) {
					t.Errorf("died at %d: tick %d is number %d", dieAt, i, tick.seq)
				}
				if tick.thin {
					thin++
				}
				loaded, err := tick.segment.load(tick)
				if err != nil || len(loaded.ends) != 1 {
					t.Fatalf("died at %d: tick %d: %d blocks of ends, %v", dieAt, tick.seq, len(loaded.ends), err)
				}
				if _, _, err := loaded.ends[0].load(nil); err != nil {
					t.Errorf("died at %d: tick %d: %v", dieAt, tick.seq, err)
				}
				ended += tick.endedBytes
			}
			if n := len(l.ticks); n < durable || ended != uint64(n*(n-1)/2) || thin == 0 {
				t.Errorf("died at %d: %d ticks with %d bytes, %d thin; %d were durable", dieAt, n, ended, thin, durable)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if survived {
				if dieAt < 10 {
					t.Errorf("only %d operations", dieAt)
				}
				break
			}
		}
	}
}

// endingTick is tick i of a log, in which one counter ends among a dozen gauges.
func endingTick(l *Log, i int) *Tick {
	at := int64(15000 * (i + 1))
	tick := l.Begin(at)
	tick.Labels([]wire.Label{{Name: "tick", Value: fmt.Sprint(i)}})
	tick.End(bytesMetric, at-1, float64(i))
	for g := range 12 {
		tick.Labels([]wire.Label{{Name: "gauge", Value: fmt.Sprintf("%d of %d", g, i)}})
		tick.Value(rttMetric, 0, float64(i*g))
	}
	return tick
}

// TestThinMeanwhile proves that a tick which an endpoint is done with while its
// segment is made thin does not take the place of one that still waits.
func TestThinMeanwhile(t *testing.T) {
	d := disktest.New(1)
	l, err := OpenLog(LogConfig{FS: d, Dir: "log", MaxBytes: 3000, SegmentBytes: 1000}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c := l.resumeCursor("a")
	defer wantNoLoss(t, c)
	l.settle()
	meanwhile := false
	for i := range 12 {
		if i == 2 {
			if _, _, err := c.take(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.Fail(func(_ int, op disktest.Op, _ string) error {
				if op == disktest.Rename && !meanwhile {
					meanwhile = true
					c.done(nil, false)
				}
				return nil
			})
		}
		if err := appendTo(l, endingTick(l, i)); err != nil {
			t.Fatal(err)
		}
	}
	if !meanwhile {
		t.Fatal("nothing was made thin")
	}
	var bytes int64
	for i, tick := range l.ticks {
		if tick.seq != uint64(i+2) {
			t.Errorf("tick %d is number %d", i, tick.seq)
		}
		bytes += tick.bytes
	}
	if len(l.ticks) != 11 || bytes != l.bytes {
		t.Errorf("%d ticks of %d bytes, counted %d", len(l.ticks), bytes, l.bytes)
	}
	c.close()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestThinHangs has the disk not answer while a thin segment takes the place of a whole
// one, which it does all the same in the end: nothing is dropped for that, and each tick
// can be read from whichever of the two has it.
func TestThinHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := &disktest.Hanging{FS: disktest.New(1)}
		l, err := OpenLog(LogConfig{FS: disk.WithTimeout(hanging, time.Second), Dir: "log", MaxBytes: 3000, SegmentBytes: 1000},
			prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		c := l.resumeCursor("a")
		defer wantNoLoss(t, c)
		l.settle()
		hung := false
		for i := range 12 {
			var release func()
			if !hung {
				release = hanging.Hang(func(op disktest.Op, _ string) bool {
					hung = hung || op == disktest.Rename && i > 0
					return op == disktest.Rename && i > 0
				})
			}
			if err := appendTo(l, endingTick(l, i)); err != nil {
				t.Fatal(err)
			}
			if release != nil {
				release()
				synctest.Wait()
			}
		}
		if !hung {
			t.Fatal("nothing was made thin")
		}
		for _, tick := range l.ticks {
			loaded := tick
			if tick.segment != nil {
				if loaded, err = tick.segment.load(tick); err != nil {
					t.Errorf("tick %d: %v", tick.seq, err)
					continue
				}
			}
			if loaded.ended == 0 {
				t.Errorf("tick %d has no ends", tick.seq)
			}
		}
		if len(l.ticks) != 12 {
			t.Errorf("%d ticks are left", len(l.ticks))
		}
		c.close()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestThinSaves proves that what a thin segment does not have any more is known to be
// sent after a crash: else it would be taken for lost.
func TestThinSaves(t *testing.T) {
	d := disktest.New(1)
	open := func() (*Log, *cursor) {
		l, err := OpenLog(LogConfig{FS: d, Dir: "log", MaxBytes: 3000, SegmentBytes: 1000}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		c := l.resumeCursor("a")
		t.Cleanup(func() { wantNoLoss(t, c) })
		l.settle()
		return l, c
	}
	l, c := open()
	for i := range 12 {
		if err := appendTo(l, endingTick(l, i)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, _, err := c.take(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.done(nil, false)
		}
	}
	if !l.ticks[0].thin || l.ticks[0].seq != 2 {
		t.Fatalf("tick %d is the first, thin %v", l.ticks[0].seq, l.ticks[0].thin)
	}
	d.Kill()
	l, c = open()
	if _, _, err := c.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.close()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestMemoryKeepsEnds proves that ticks which wait in memory for a disk in trouble
// give up what ended in them last, also where nothing ended in those that follow.
func TestMemoryKeepsEnds(t *testing.T) {
	d := disktest.New(1)
	l, err := OpenLog(LogConfig{FS: d, Dir: "log", MemoryMaxBytes: 6000}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c := l.resumeCursor("a")
	l.settle()
	d.Fail(func(int, disktest.Op, string) error { return disktest.ErrDead })
	for i := range 12 {
		tick := endingTick(l, i)
		if i > 1 {
			tick = l.Begin(int64(15000 * (i + 1)))
			for g := range 50 {
				tick.Labels([]wire.Label{{Name: "gauge", Value: fmt.Sprintf("%d of %d", g, i)}})
				tick.Value(rttMetric, 0, float64(i*g))
			}
		}
		if err := appendTo(l, tick); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.store.memory; n > 6000 || n != l.bytes {
		t.Errorf("%d bytes in memory, of %d", n, l.bytes)
	}
	for i, tick := range l.ticks {
		if ends := i < 2; tick.gone != "" || ends != (len(tick.ends) > 0) || (ends && !tick.thin) {
			t.Errorf("tick %d: gone %q, thin %v, %d ends", i, tick.gone, tick.thin, tick.ended)
		}
	}
	if last := l.ticks[len(l.ticks)-1]; last.thin {
		t.Error("the newest tick is thin")
	}
	c.close()
	_ = l.Close() // the disk is in trouble
}

// sameState compares states by what is in them.
func sameState(a, b cursorState) bool {
	same := a.hashes == b.hashes || a.hashes != nil && b.hashes != nil && slices.Equal(a.hashes.List, b.hashes.List)
	a.hashes, b.hashes = nil, nil
	return same && a == b
}

// FuzzIndex proves that whatever stands in a frame or a cursor file, nothing
// panics, and that what is accepted is what would be written.
func FuzzIndex(f *testing.F) {
	l := NewLog(LogConfig{}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	l.newCursor()
	tick := l.Begin(1000)
	tick.Labels([]wire.Label{{Name: "a", Value: "1"}})
	tick.Zero(bytesMetric, 1)
	tick.Value(bytesMetric, 1, 5)
	tick.Labels([]wire.Label{{Name: "a", Value: "2"}})
	tick.End(bytesMetric, 1, 7)
	whole := tick.seal()
	whole.seq = 3
	for _, t := range []*loggedTick{whole, whole.thinned(), {seq: 4, at: 9, broken: true}} {
		f.Add(appendIndex(nil, t), uint32(2))
	}
	f.Add(appendCursors(nil, &cursors{next: 9, lastAt: 1000, states: map[Hash]cursorState{
		{1}: {next: 4, begun: 10, lost: 20, sent: 30, step: 2, folding: 6, stamp: 25, hashes: &Hashes{[]Hash{{1}, {2}}}},
	}}), uint32(3))
	f.Add(appendCursorsV1(&cursors{next: 9, lastAt: 1000, states: map[Hash]cursorState{{1}: {next: 4}}}), uint32(1))
	f.Fuzz(func(t *testing.T, b []byte, version uint32) {
		const size = 1 << 20
		if tick, end, err := parseIndex(b, disk.FrameHeader, size); err == nil {
			samples, ended := 0, 0
			for i, group := range tick.groups() {
				for _, block := range group {
					if block.offset < disk.FrameHeader || block.offset+int64(block.size) > end {
						t.Errorf("a block at %d of %d bytes, the frame ends at %d", block.offset, block.size, end)
					}
					if i < 2 {
						samples += block.Samples
					} else {
						ended += block.Samples
					}
				}
			}
			if end > size || ended != tick.ended || (!tick.thin && !tick.broken && samples != tick.samples) || (tick.thin && samples > 0) {
				t.Errorf("%+v with %d samples and %d ends, to %d", tick, samples, ended, end)
			}
		}
		if c, err := parseCursors(b, version); err == nil {
			again, err := parseCursors(appendCursors(nil, c), cursorVersion)
			if err != nil || again.next != c.next || again.lastAt != c.lastAt || again.total != c.total || !maps.EqualFunc(again.states, c.states, sameState) {
				t.Errorf("%+v became %+v, %v", c, again, err)
			}
		}
	})
}
