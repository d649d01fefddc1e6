// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestCompactionCrashPoints proves that a process that dies at any operation while it
// makes room, with the power or without, has what ended in each tick afterwards.
func TestCompactionCrashPoints(t *testing.T) {
	const ticks = 12
	for _, power := range []bool{false, true} {
		for dieAt := 0; ; dieAt++ {
			d := disktest.New(uint64(dieAt))
			cfg := Config{FS: d, MaxBytes: 3000, SegmentBytes: 500}
			l, c := openFor(t, cfg)
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
				appendTo(t, l, endingTick(l, i))
				if !d.Dead() {
					durable = i + 1
				}
			}
			survived := !d.Dead()
			c.Close()
			if power {
				d.LosePower()
			} else {
				d.Kill()
			}
			d.Fail(nil)
			l = openLog(t, cfg)
			var ended uint64
			compacted := 0
			for i, tick := range l.ticks {
				if tick.Number != uint64(i+1) {
					t.Errorf("died at %d: tick %d is number %d", dieAt, i, tick.Number)
				}
				if tick.Compacted {
					compacted++
				}
				loaded, err := tick.load()
				if err != nil || len(loaded.Ends) != 1 {
					t.Fatalf("died at %d: tick %d: %d blocks of ends, %v", dieAt, tick.Number, len(loaded.Ends), err)
				}
				if _, _, err := loaded.Ends[0].Load(nil); err != nil {
					t.Errorf("died at %d: tick %d: %v", dieAt, tick.Number, err)
				}
				ended += tick.EndedBytes
			}
			if n := len(l.ticks); n < durable || ended != uint64(n*(n-1)/2) || compacted == 0 {
				t.Errorf("died at %d: %d ticks with %d bytes, %d compacted; %d were durable", dieAt, n, ended, compacted, durable)
			}
			closeLog(t, l)
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
func endingTick(l *Log, i int) *TickBuilder {
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

// appendEnding appends the first n of them.
func appendEnding(t *testing.T, l *Log, n int) {
	t.Helper()
	for i := range n {
		appendTo(t, l, endingTick(l, i))
	}
}

// TestCompactedMeanwhile proves that a tick which an endpoint is done with while its
// segment is compacted does not take the place of one that still waits.
func TestCompactedMeanwhile(t *testing.T) {
	d := disktest.New(1)
	l, c := openFor(t, Config{FS: d, MaxBytes: 3000, SegmentBytes: 1000})
	defer wantNoLoss(t, c)
	meanwhile := false
	for i := range 12 {
		if i == 2 {
			take(t, c)
			d.Fail(func(_ int, op disktest.Op, _ string) error {
				if op == disktest.Rename && !meanwhile {
					meanwhile = true
					c.Done("", false)
				}
				return nil
			})
		}
		appendTo(t, l, endingTick(l, i))
	}
	if !meanwhile {
		t.Fatal("nothing was compacted")
	}
	var bytes int64
	for i, tick := range l.ticks {
		if tick.Number != uint64(i+2) {
			t.Errorf("tick %d is number %d", i, tick.Number)
		}
		bytes += tick.bytes
	}
	if len(l.ticks) != 11 || bytes != l.bytes {
		t.Errorf("%d ticks of %d bytes, counted %d", len(l.ticks), bytes, l.bytes)
	}
	closeLog(t, l, c)
}

// TestCompactionHangs has the disk not answer while a compacted segment takes the place of a whole
// one, which it does all the same in the end: nothing is dropped for that, and each tick
// can be read from whichever of the two has it.
func TestCompactionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := disktest.NewHanging(disktest.New(1))
		l, c := openFor(t, Config{FS: disk.WithTimeout(hanging, time.Second), MaxBytes: 3000, SegmentBytes: 1000})
		defer wantNoLoss(t, c)
		hung := false
		for i := range 12 {
			var release func()
			if !hung {
				release = hanging.Hang(func(op disktest.Op, _ string) bool {
					hung = hung || op == disktest.Rename && i > 0
					return op == disktest.Rename && i > 0
				})
			}
			appendTo(t, l, endingTick(l, i))
			if release != nil {
				release()
				synctest.Wait()
			}
		}
		if !hung {
			t.Fatal("nothing was compacted")
		}
		for _, tick := range l.ticks {
			loaded := tick
			if tick.segment != nil {
				var err error
				if loaded, err = tick.load(); err != nil {
					t.Errorf("tick %d: %v", tick.Number, err)
					continue
				}
			}
			if loaded.Ended == 0 {
				t.Errorf("tick %d has no ends", tick.Number)
			}
		}
		if len(l.ticks) != 12 {
			t.Errorf("%d ticks are left", len(l.ticks))
		}
		closeLog(t, l, c)
	})
}

// TestCompactionSaves proves that what a compacted segment does not have any more is known to be
// sent after a crash: else it would be taken for lost.
func TestCompactionSaves(t *testing.T) {
	d := disktest.New(1)
	open := func() (*Log, *Cursor) {
		l, c := openFor(t, Config{FS: d, MaxBytes: 3000, SegmentBytes: 1000})
		t.Cleanup(func() { wantNoLoss(t, c) })
		return l, c
	}
	l, c := open()
	for i := range 12 {
		appendTo(t, l, endingTick(l, i))
		if i == 0 {
			take(t, c)
			c.Done("", false)
		}
	}
	if !l.ticks[0].Compacted || l.ticks[0].Number != 2 {
		t.Fatalf("tick %d is the first, compacted %v", l.ticks[0].Number, l.ticks[0].Compacted)
	}
	d.Kill()
	l, c = open()
	take(t, c)
	closeLog(t, l, c)
}

// TestMemoryKeepsEnds proves that ticks in memory, which wait for an endpoint or for a
// failing disk, give up what ended in them last, also where nothing ended in those that
// follow; and that what ended takes half of the memory at most: past it the oldest goes,
// and is counted.
func TestMemoryKeepsEnds(t *testing.T) {
	const most = 6000
	for _, d := range []*disktest.Disk{nil, disktest.New(1)} {
		cfg := Config{MaxBytes: most}
		if d != nil {
			cfg = Config{FS: d, MemoryMaxBytes: most}
		}
		l, c := openFor(t, cfg)
		if d != nil {
			d.Fail(func(int, disktest.Op, string) error { return disktest.ErrDead })
		}
		for i := range 12 {
			tick := endingTick(l, i)
			if i > 1 {
				tick = l.Begin(int64(15000 * (i + 1)))
				for g := range 50 {
					tick.Labels([]wire.Label{{Name: "gauge", Value: fmt.Sprintf("%d of %d", g, i)}})
					tick.Value(rttMetric, 0, float64(i*g))
				}
			}
			appendTo(t, l, tick)
		}
		for i, tick := range l.ticks {
			if ends := i < 2; tick.gone != "" || ends != (len(tick.Ends) > 0) || (ends && !tick.Compacted) {
				t.Errorf("tick %d: gone %q, compacted %v, %d ends", i, tick.gone, tick.Compacted, tick.Ended)
			}
		}
		wantNoLoss(t, c)
		for i := range 60 {
			appendTo(t, l, endingTick(l, 12+i))
		}
		var compacted, one int64
		for _, tick := range l.ticks {
			if tick.Compacted && tick.gone == "" {
				compacted += tick.bytes
				one = tick.bytes
			}
		}
		if n := l.memory; n > most || n != l.bytes || compacted < most/2-one || compacted > most/2+one {
			t.Errorf("%d bytes in memory, of %d, %d of them compacted", n, l.bytes, compacted)
		}
		if last := l.ticks[len(l.ticks)-1]; last.Compacted {
			t.Error("the newest tick is compacted")
		}
		take(t, c) // and so meets those that are gone
		if lost := c.Outcome().Lost[ReasonLogFull]; lost.Series == 0 {
			t.Errorf("lost %+v", lost)
		}
		c.Close()
		_ = l.Close() // a disk that there is fails
	}
}

// FuzzIndex proves that whatever stands in a frame or a cursor file, nothing
// panics, and that what is accepted is what would be written.
func FuzzIndex(f *testing.F) {
	l := openLog(f, Config{})
	l.Cursor("a", nil)
	tick := l.Begin(1000)
	tick.Labels([]wire.Label{{Name: "a", Value: "1"}})
	tick.Zero(bytesMetric, 1)
	tick.Value(bytesMetric, 1, 5)
	tick.Labels([]wire.Label{{Name: "a", Value: "2"}})
	tick.End(bytesMetric, 1, 7)
	whole := tick.seal()
	whole.Number = 3
	for _, t := range []*Tick{whole, whole.compacted(), {Number: 4, At: 9, Broken: true}} {
		f.Add(appendIndex(nil, t), uint32(2))
	}
	f.Add(appendCursors(nil, &cursors{next: 9, lastAt: 1000, states: map[Hash]cursorState{
		{1}: {next: 4, begun: 10, lost: 20, sent: 30, step: 2, condensing: 6, stamp: 25, hashes: Hashes(strings.Repeat("hash of a series", 2))},
	}}), uint32(3))
	old := appendCursors(nil, &cursors{next: 9, lastAt: 1000, states: map[Hash]cursorState{{1}: {next: 4}}})
	f.Add(old[:len(old)-7], uint32(1)) // see TestOlderFormats
	f.Fuzz(func(t *testing.T, b []byte, version uint32) {
		const size = 1 << 20
		if tick, end, err := parseIndex(nil, b, disk.FrameHeader, size); err == nil {
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
			if end > size || ended != tick.Ended || (!tick.Compacted && !tick.Broken && samples != tick.Samples) || (tick.Compacted && samples > 0) {
				t.Errorf("%+v with %d samples and %d ends, to %d", tick, samples, ended, end)
			}
		}
		if c, err := parseCursors(b, version); err == nil {
			again, err := parseCursors(appendCursors(nil, c), cursorVersion)
			if err != nil || again.next != c.next || again.lastAt != c.lastAt || again.total != c.total || !maps.Equal(again.states, c.states) {
				t.Errorf("%+v became %+v, %v", c, again, err)
			}
		}
	})
}
