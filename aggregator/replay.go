// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// maxRecords bounds how many numbered things of a kind files may name.
const maxRecords = 1 << 28

// replay puts the records of files back into an aggregator that has nothing
// yet. Records say what was true; where one says so of something that another
// record has replaced since, a later one puts it right. So nothing is linked
// before the end: see finish.
type replay struct {
	a     *Aggregator
	limit uint32 // on numbers

	feedNow time.Duration // of the latest frame
	torn    bool          // a frame was applied in part: nothing read is of use
	head    fileHead      // of the file at hand
	tail    int64         // of the snapshot at hand; -1: not seen

	// What the latest tick ended: should the log not have it, the stale markers
	// are still to come.
	ended        map[uint32]finalState
	endedCapture map[string]bool
	sent         bool // the latest tick may be out all the same
}

// fileHead is the first record of a file.
type fileHead struct {
	number, how uint64
	end         int64
}

// finalState is a connection before its stale markers.
type finalState struct {
	start int64
	rtt   uint64
	counts
}

func newReplay(a *Aggregator) *replay {
	return &replay{a: a, limit: maxRecords, ended: map[uint32]finalState{}, endedCapture: map[string]bool{}}
}

// frame applies the records of one frame. The error wraps errDamaged: what was
// applied until then is then not to be used.
func (r *replay) frame(records []byte, feedNow time.Duration) error {
	r.feedNow = feedNow
	d := decoder{rest: records, limit: r.limit}
	for len(d.rest) > 0 && !d.bad {
		k := kind(d.byte())
		r.record(k, &d)
		if d.bad {
			r.torn = true
			return fmt.Errorf("record of kind %d: %w", k, errDamaged)
		}
	}
	return nil
}

func (r *replay) record(k kind, d *decoder) {
	a := r.a
	switch k {
	case kindHead:
		r.head = fileHead{d.uvarint(), d.uvarint(), int64(d.uvarint())}
	case kindTail:
		r.tail = int64(d.uvarint())
	case kindSource, kindSourceFree, kindMarks, kindPeriod:
		r.source(k, d)
	case kindBaseline, kindBaselineSeen, kindBaselineFree, kindSight:
		r.baseline(k, d)
	case kindLayout:
		r.layout(d)
	case kindConnection, kindConnectionState, kindConnectionFree, kindCarried, kindBegin, kindPhase, kindEnd:
		r.connection(k, d)
	case kindTick:
		a.latest = tickTimes{d.varint(), d.varint(), d.varint()}
		clear(r.ended)
		clear(r.endedCapture)
		r.sent = false
		if !d.bad {
			for _, p := range a.captures.sample(0, a.latest.zero, r.feedNow) {
				if p.End {
					r.endedCapture[p.CaptureID] = true
				}
			}
		}
	case kindSent:
		r.sent = true
	case kindUndo:
		r.undo()
	case kindConversationKey, kindConversation, kindGroup, kindGroupFree, kindObserver, kindObserverFree:
		r.conversation(k, d)
	case kindReport:
		s := CaptureStats{CaptureID: []byte(d.string())}
		d.stats(&s)
		if !d.bad {
			a.captures.report(s, r.feedNow)
		}
	case kindCapture:
		r.capture(d)
	default:
		d.bad = true
	}
}

func (r *replay) source(k kind, d *decoder) {
	list := &r.a.sources.list
	id := d.id()
	if d.bad {
		return
	}
	if int(id) >= len(*list) {
		*list = append(*list, make([]*source, int(id)+1-len(*list))...)
	}
	if k == kindSource {
		(*list)[id] = &source{id: id, key: sourceKey{d.string(), d.string()}}
	}
	s := (*list)[id]
	switch {
	case k == kindSourceFree:
		(*list)[id] = nil
		return
	case s == nil:
		// Forgotten since; but a snapshot may lack what its journal says of it first.
		s = &source{}
	}
	if k != kindMarks {
		s.journaled = time.Duration(d.uvarint())
	}
	if k != kindPeriod {
		s.epoch, s.evictedStart, s.evictedLast = d.varint(), d.varint(), d.varint()
	}
}

func (r *replay) baseline(k kind, d *decoder) {
	records := &r.a.baselines.records
	i := d.id()
	if d.bad {
		return
	}
	records.reach(i)
	b := records.at(i)
	switch k {
	case kindBaselineFree:
		*b = baseline{}
		return
	case kindSight:
		b.seen = time.Duration(d.varint())
		return
	case kindBaseline:
		*b = baseline{used: true, source: d.id()}
		b.uuid, b.text = d.uint64(), d.string()
	}
	b.ended = d.byte() != 0
	b.start = d.varint()
	b.last = b.start + d.varint()
	d.counts(&b.counts)
	b.seen = r.feedNow
}

func (r *replay) layout(d *decoder) {
	names := make([]string, 0, 16)
	for range min(d.uvarint(), 64) {
		names = append(names, d.string())
	}
	layout, err := newLayout(names)
	if d.bad || err != nil {
		d.bad = true
		return
	}
	r.a.connections = newConnections(layout, nil)
	clear(r.ended)
}

func (r *replay) connection(k kind, d *decoder) {
	cs := r.a.connections
	i := d.id()
	if d.bad {
		return
	}
	cs.records.reach(i)
	c := cs.records.at(i)
	switch k {
	case kindConnection:
		*c = connection{used: true, values: d.string()}
	case kindConnectionFree:
		*c = connection{}
		delete(r.ended, i)
	case kindCarried:
		var traffic counts
		if d.counts(&traffic); traffic.isZero() {
			delete(cs.carried, i)
		} else {
			cs.carried[i] = traffic
		}
	case kindConnectionState:
		flags := d.byte()
		c.setPhase(phase(flags&(flagEnding-1)), d)
		c.ending, c.overflow = flags&flagEnding != 0, flags&flagOverflow != 0
		c.source = d.id()
		c.traffic, c.start, c.rtt = time.Duration(d.varint()), d.varint(), d.uvarint()
		d.counts(&c.counts)
	case kindBegin:
		c.start = r.a.latest.zero
		c.setPhase(phase(d.byte()), d)
	case kindPhase:
		c.setPhase(phase(d.byte()), d)
	case kindEnd:
		final := finalState{start: d.varint(), rtt: d.uvarint()}
		d.counts(&final.counts)
		r.ended[i] = final
		c.phase, c.ending, c.counts, c.rtt = ended, false, counts{}, 0
	}
}

func (c *connection) setPhase(p phase, d *decoder) {
	if p > ended {
		d.bad = true
		return
	}
	c.phase = p
}

func (r *replay) capture(d *decoder) {
	c := &captureState{total: CaptureRow{CaptureID: d.string()}}
	t := &c.total
	t.FlowDropped, t.KernelFlowDropped, t.PacketsDropped, t.PacketsReceived = d.uvarint(), d.uvarint(), d.uvarint(), d.uvarint()
	p := phase(d.byte())
	c.start, c.seen = d.varint(), time.Duration(d.varint())
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		var one table
		one.seen = time.Duration(d.varint())
		d.stats(&one.stats)
		c.tables = append(c.tables, one)
	}
	if d.bad || p > ended {
		d.bad = true
		return
	}
	c.phase = p
	cs := r.a.captures
	if before := cs.byID[t.CaptureID]; before != nil {
		cs.tables -= len(before.tables)
	}
	cs.tables += len(c.tables)
	cs.byID[t.CaptureID] = c
}

// finish makes what was read an aggregator that works: what refers to nothing is
// dropped, and everything is found again by its key. It returns how many
// connections and baselines had to be dropped, which is none unless the files
// contradict themselves.
func (r *replay) finish() (dropped int) {
	a := r.a
	ss := a.sources
	list := ss.list
	*ss = *newSources()
	ss.list = list
	for id, s := range list {
		if s == nil {
			ss.free = append(ss.free, uint32(id))
			continue
		}
		if ss.byKey[s.key] != nil {
			list[id] = nil
			ss.free = append(ss.free, uint32(id))
			dropped++
			continue
		}
		ss.link(s)
		s.seen = r.feedNow
		s.node.known = max(s.node.known, s.journaled)
		s.node.minute = int64(r.feedNow / time.Minute)
	}

	bs := a.baselines
	order := make([]uint32, 0, bs.records.size)
	for i := range bs.records.size {
		b := bs.records.at(i)
		if b.used && (int(b.source) >= len(list) || list[b.source] == nil) {
			b.used = false
			dropped++
		}
		if b.used {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(x, y uint32) int {
		return cmp.Compare(bs.records.at(x).seen, bs.records.at(y).seen)
	})
	for _, i := range order {
		b := bs.records.at(i)
		bs.index(i, list[b.source])
		bs.append(bs.listOf(b), i)
	}
	dropped += r.finishGroups()
	bs.records.reclaim(func(b *baseline) bool { return b.used })

	cs := a.connections
	for i := range cs.records.size {
		c := cs.records.at(i)
		if !c.used {
			continue
		}
		if _, twice := cs.byKey[c.values]; twice {
			c.used = false
			dropped++
			continue
		}
		cs.byKey[c.values] = i
		if c.phase != ended {
			cs.series += cs.seriesOf(c)
		}
		if c.phase == closing { // its stale markers come with the values before them
			for side := range c.sampled {
				c.sampled[side] = sampled{c.counts, c.rtt, false}
			}
		}
	}
	cs.records.reclaim(func(c *connection) bool { return c.used })
	for i := range cs.carried {
		if i >= cs.records.size || !cs.records.at(i).used {
			delete(cs.carried, i)
			dropped++
		}
	}
	for _, c := range a.captures.byID {
		c.sampled, c.live = [2]CaptureRow{c.total, c.total}, [2]bool{}
	}
	return dropped
}

// undo takes the latest tick back, which receivers did not get: what it began has
// not begun, and what it ended has its stale markers still to come. The journal
// that goes on from there says so first.
func (r *replay) undo() {
	a := r.a
	cs := a.connections
	for i := range cs.records.size {
		c := cs.records.at(i)
		if final, ok := r.ended[i]; ok && c.used {
			if c.phase != ended { // it has returned since
				carried := cs.carried[i]
				carried.add(&c.counts)
				cs.carried[i] = carried
			}
			c.counts, c.start, c.rtt = final.counts, final.start, final.rtt
			c.phase, c.ending = closing, false
			continue
		}
		if !c.used || (c.phase != live && c.phase != closing) {
			continue
		}
		c.ending = c.ending || c.phase == closing
		c.phase = live
		if c.start == a.latest.zero {
			c.phase = fresh
		}
	}
	for id, c := range a.captures.byID {
		switch {
		case r.endedCapture[id] && c.phase == ended:
			c.phase = closing
		case c.phase == live && c.start == a.latest.zero:
			c.phase = fresh
		}
	}
	a.latest.at = a.latest.before
	clear(r.ended)
	clear(r.endedCapture)
}

// decoder reads what records are made of; after the first that is not there, bad
// is set and all is zero.
type decoder struct {
	rest  []byte
	limit uint32
	bad   bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || d.bad {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 || d.bad {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// id reads the number of a thing.
func (d *decoder) id() uint32 {
	v := d.uvarint()
	if v >= uint64(d.limit) {
		d.bad = true
		return 0
	}
	return uint32(v)
}

func (d *decoder) take(n uint64) []byte {
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte {
	if b := d.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8); len(b) == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) string() string { return string(d.take(d.uvarint())) }

func (d *decoder) counts(c *counts) {
	*c = counts{
		bytes:   [2]uint64{d.uvarint(), d.uvarint()},
		packets: [2]uint64{d.uvarint(), d.uvarint()},
	}
}

func (d *decoder) stats(s *CaptureStats) {
	s.FlowCount, s.FlowDropped, s.KernelFlowDropped = d.varint(), d.varint(), d.varint()
	s.PacketsDropped, s.PacketsReceived = d.varint(), d.varint()
}
