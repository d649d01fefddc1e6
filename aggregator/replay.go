// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// maxRecords bounds how many numbered things of a kind files may name: above what the
// configuration allows of each.
const maxRecords = 1 << 30

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
	start   int64
	gauges  Gauges
	demoted bool
	counts
}

func newReplay(a *Aggregator) *replay {
	return &replay{a: a, limit: maxRecords, ended: map[uint32]finalState{}, endedCapture: map[string]bool{}}
}

// frame applies the records of one frame. The error wraps disk.ErrDamaged: what was
// applied until then is then not to be used.
func (r *replay) frame(records []byte, feedNow time.Duration) error {
	r.feedNow = feedNow
	d := decoder{Decoder: disk.Decoder{Rest: records}, limit: r.limit}
	for len(d.Rest) > 0 && !d.Bad {
		k := kind(d.Byte())
		r.record(k, &d)
		if d.Bad {
			r.torn = true
			return fmt.Errorf("record of kind %d: %w", k, disk.ErrDamaged)
		}
	}
	return nil
}

func (r *replay) record(k kind, d *decoder) {
	a := r.a
	switch k {
	case kindHead:
		r.head = fileHead{d.Uvarint(), d.Uvarint(), int64(d.Uvarint())}
	case kindTail:
		r.tail = int64(d.Uvarint())
	case kindSource, kindSourceFree, kindMarks, kindPeriod:
		r.source(k, d)
	case kindBaseline, kindBaselineSeen, kindBaselineFree, kindSight:
		r.baseline(k, d)
	case kindLayout:
		r.layout(d)
	case kindPolicy:
		layout := *a.connections.layout
		layout.policy = d.String()
		a.connections.layout = &layout
	case kindListener:
		a.listeners.learn([]byte(d.String()))
	case kindConnection, kindConnectionState, kindConnectionFree, kindCarried, kindBegin, kindPhase, kindEnd:
		r.connection(k, d)
	case kindTick:
		a.latest = tickTimes{before: d.Varint(), at: d.Varint(), zero: d.Varint()}
		clear(r.ended)
		clear(r.endedCapture)
		r.sent = false
		if !d.Bad {
			for _, p := range a.captures.sample(0, a.latest, r.feedNow, nil) {
				if p.End {
					r.endedCapture[p.CaptureID] = true
				}
			}
		}
	case kindSent:
		r.sent = true
	case kindUndo:
		r.undo()
	case kindConversationKey, kindConversation, kindGroup, kindGroupFree, kindObserver, kindObserverFree, kindHistory:
		r.conversation(k, d)
	case kindClock:
		r.clock(d)
	case kindReport:
		s := CaptureStats{CaptureID: []byte(d.String())}
		d.stats(&s)
		if !d.Bad {
			a.captures.report(s, r.feedNow)
		}
	case kindCapture:
		r.capture(d)
	case kindEndCaptures:
		a.captures.endAll()
	default:
		d.Bad = true
	}
}

func (r *replay) source(k kind, d *decoder) {
	list := &r.a.sources.list
	id := d.id()
	if d.Bad {
		return
	}
	if int(id) >= len(*list) {
		*list = append(*list, make([]*source, int(id)+1-len(*list))...)
	}
	if k == kindSource {
		(*list)[id] = &source{id: id, key: sourceKey{d.String(), d.String()}}
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
		s.journaled = time.Duration(d.Uvarint())
	}
	if k != kindPeriod {
		s.epoch, s.retired.start, s.retired.last = d.Varint(), d.Varint(), d.Varint()
	}
}

func (r *replay) baseline(k kind, d *decoder) {
	records, texts := &r.a.baselines.records, r.a.baselines.texts
	i := d.id()
	if d.Bad {
		return
	}
	records.reach(i)
	b := records.at(i)
	switch k {
	case kindBaselineFree:
		*b = baseline{}
		delete(texts, i)
		delete(r.a.baselines.histories, i)
		return
	case kindSight:
		b.seen = momentOf(time.Duration(d.Varint()))
		return
	case kindBaseline:
		*b = baseline{from: isUsed | origin(d.sourceID())}
		b.uuid = d.Uint64()
		delete(texts, i)
		delete(r.a.baselines.histories, i)
		if text := d.String(); text != "" {
			texts[i] = text
		}
	}
	b.from.set(isEnded, d.Byte() != 0)
	b.start = d.Varint()
	b.last = b.start + d.Varint()
	d.counts(&b.counts)
	b.seen = momentOf(r.feedNow)
}

func (r *replay) layout(d *decoder) {
	names := make([]string, 0, 16)
	for range min(d.Uvarint(), 64) {
		names = append(names, d.String())
	}
	layout, err := newLayout(names)
	if d.Bad || err != nil {
		d.Bad = true
		return
	}
	r.a.connections = newConnections(layout, nil)
	r.a.earliestZero = r.a.latest.at + 1
	clear(r.ended)
}

func (r *replay) connection(k kind, d *decoder) {
	cs := r.a.connections
	i := d.id()
	if d.Bad {
		return
	}
	cs.records.reach(i)
	c := cs.records.at(i)
	switch k {
	case kindConnection:
		*c = connection{used: true, values: d.String()}
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
		flags := d.Byte()
		c.setPhase(phase(flags&(flagEnding-1)), d)
		c.ending, c.overflow, c.demoted = flags&flagEnding != 0, flags&flagOverflow != 0, flags&flagDemoted != 0
		c.source = d.id()
		c.traffic, c.start, c.gauges = time.Duration(d.Varint()), d.Varint(), d.gauges()
		d.counts(&c.counts)
	case kindBegin:
		c.start = r.a.latest.zero
		c.setPhase(phase(d.Byte()), d)
	case kindPhase:
		c.setPhase(phase(d.Byte()), d)
	case kindEnd:
		final := finalState{start: d.Varint(), gauges: d.gauges(), demoted: c.demoted}
		d.counts(&final.counts)
		r.ended[i] = final
		c.phase, c.ending, c.demoted, c.counts, c.gauges, c.start = ended, false, false, counts{}, Gauges{}, r.a.latest.at+1
	}
}

func (c *connection) setPhase(p phase, d *decoder) {
	if p > ended {
		d.Bad = true
		return
	}
	c.phase = p
}

func (r *replay) capture(d *decoder) {
	c := &captureState{total: CaptureRow{CaptureID: d.String()}}
	t := &c.total
	t.FlowDropped, t.KernelFlowDropped, t.PacketsDropped, t.PacketsReceived = d.Uvarint(), d.Uvarint(), d.Uvarint(), d.Uvarint()
	flags := d.Byte()
	p := phase(flags & (flagEnding - 1))
	c.ending = flags&flagEnding != 0
	c.start, c.seen = d.Varint(), time.Duration(d.Varint())
	for n := d.Uvarint(); n > 0 && !d.Bad; n-- {
		var one table
		one.seen = time.Duration(d.Varint())
		d.stats(&one.stats)
		c.tables = append(c.tables, one)
	}
	if d.Bad || p > ended {
		d.Bad = true
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

	a.finishClocks()

	bs := a.baselines
	order := make([]uint32, 0, bs.records.size)
	for i := range bs.records.size {
		b := bs.records.at(i)
		if b.from.is(isUsed) && (int(b.from.source()) >= len(list) || list[b.from.source()] == nil) {
			b.from.set(isUsed, false)
			dropped++
		}
		if b.from.is(isUsed) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(x, y uint32) int {
		return cmp.Compare(bs.records.at(x).seen, bs.records.at(y).seen)
	})
	for _, i := range order {
		b := bs.records.at(i)
		src := list[b.from.source()]
		bs.index(i, src)
		b.from.set(isRepeatable, b.from.is(isEnded) && a.repeatable(src))
		bs.append(bs.listOf(b), i)
	}
	dropped += r.finishGroups()
	bs.records.reclaim(func(b *baseline) bool { return b.from.is(isUsed) })

	cs := a.connections
	for i := range cs.records.size {
		c := cs.records.at(i)
		if !c.used {
			continue
		}
		hash := cs.byKey.hashText(c.values)
		if twice := cs.byKey.find(hash, func(j uint32) bool { return cs.records.at(j).values == c.values }); twice != none {
			c.used = false
			dropped++
			continue
		}
		cs.byKey.add(hash, i)
		if !c.overflow && int(c.source) < len(list) && list[c.source] != nil {
			// Where node_tid is no label, another node may have reported it first.
			c.node = list[c.source].node
		}
		if c.phase != ended {
			cs.enter(c)
		}
		if c.phase == closing { // its stale markers come with the values before them
			for side := range c.sampled {
				c.sampled[side] = sampled{c.counts, c.gauges, false}
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
			c.counts, c.start, c.gauges = final.counts, final.start, final.gauges
			c.phase, c.ending, c.demoted = closing, false, final.demoted
			continue
		}
		if !c.used || (c.phase != live && c.phase != closing) {
			continue
		}
		c.ending = c.ending || c.phase == closing
		c.phase = live
		if a.latest.zero != 0 && c.start == a.latest.zero {
			c.phase, c.start = fresh, 0
		}
	}
	for id, c := range a.captures.byID {
		switch {
		case r.endedCapture[id] && c.phase == ended:
			c.phase = closing
		case c.phase == live || c.phase == closing:
			c.ending = c.ending || c.phase == closing
			c.phase = live
			if a.latest.zero != 0 && c.start == a.latest.zero {
				c.phase, c.start = fresh, 0
			}
		}
	}
	a.latest.at = a.latest.before
	clear(r.ended)
	clear(r.endedCapture)
}

// decoder reads the aggregator's records, whose things have numbers below limit.
type decoder struct {
	disk.Decoder
	limit uint32
}

// gauges reads the values of gauges.
func (d *decoder) gauges() (g Gauges) {
	for i := range g {
		g[i] = d.Uvarint()
	}
	return g
}

// id reads the number of a thing.
func (d *decoder) id() uint32 {
	v := d.Uvarint()
	if v >= uint64(d.limit) {
		d.Bad = true
		return 0
	}
	return uint32(v)
}

// sourceID reads the id of a source.
func (d *decoder) sourceID() uint32 {
	id := d.id()
	if id >= maxSources {
		d.Bad = true
		return 0
	}
	return id
}

func (d *decoder) counts(c *counts) {
	*c = counts{
		bytes:   [2]uint64{d.Uvarint(), d.Uvarint()},
		packets: [2]uint64{d.Uvarint(), d.Uvarint()},
	}
}

func (d *decoder) stats(s *CaptureStats) {
	s.FlowCount, s.FlowDropped, s.KernelFlowDropped = d.Varint(), d.Varint(), d.Varint()
	s.PacketsDropped, s.PacketsReceived = d.Varint(), d.Varint()
}
