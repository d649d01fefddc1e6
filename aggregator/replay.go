// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
)

// maxRecords bounds the numbers in files: above what the configuration allows.
const maxRecords = 1 << 30

// replay applies the records of files to an empty aggregator. A record may be older than what
// a snapshot has; a later record then corrects it. So nothing is linked before the end: see
// finish.
type replay struct {
	a     *Aggregator
	limit uint32 // on numbers

	feedNow time.Duration // of the latest frame
	torn    bool          // a frame was applied in part: nothing can be used
	head    fileHead      // of the file that is being read
	tail    int64         // of the snapshot that is being read; -1: none yet

	// What the latest tick ended: if it is undone, the stale markers are still to come.
	ended        map[uint32]finalState
	endedCapture map[string]bool
	sent         bool // the latest tick may have been sent although the log lacks it
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

// frame applies the records of one frame. After an error, which wraps disk.ErrDamaged, nothing
// that was applied may be used.
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
	case kindOrigin, kindOriginFree, kindMarks, kindPeriod:
		r.origin(k, d)
	case kindBaseline, kindBaselineSeen, kindBaselineFree, kindLastSeen:
		r.baseline(k, d)
	case kindLayout:
		r.layout(d)
	case kindPolicy:
		layout := *a.connections.layout
		layout.Policy = d.String()
		a.connections.layout = &layout
	case kindListener:
		a.listeners.Learn([]byte(d.String()))
	case kindConnection, kindConnectionState, kindConnectionFree, kindDeferred, kindBegin, kindPhase, kindEnd:
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
	case kindConversationKey, kindConversation, kindShared, kindSharedFree, kindObserver, kindObserverFree, kindHistory:
		r.conversation(k, d)
	case kindClock:
		r.clock(d)
	case kindReport:
		s := input.CaptureStats{CaptureID: []byte(d.String())}
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

func (r *replay) origin(k kind, d *decoder) {
	list := &r.a.origins.list
	id := d.id()
	if d.Bad {
		return
	}
	if int(id) >= len(*list) {
		*list = append(*list, make([]*origin, int(id)+1-len(*list))...)
	}
	if k == kindOrigin {
		(*list)[id] = &origin{id: id, key: originKey{d.String(), d.String()}}
	}
	s := (*list)[id]
	switch {
	case k == kindOriginFree:
		(*list)[id] = nil
		return
	case s == nil:
		// Removed since; but a snapshot may lack what its journal has of it.
		s = &origin{}
	}
	if k != kindMarks {
		s.journaled = time.Duration(d.Uvarint())
	}
	if k != kindPeriod {
		s.epoch, s.evicted.start, s.evicted.last = d.Varint(), d.Varint(), d.Varint()
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
	case kindLastSeen:
		b.seen = momentOf(time.Duration(d.Varint()))
		return
	case kindBaseline:
		*b = baseline{flags: isUsed | baselineFlags(d.originID())}
		b.uuid = d.Uint64()
		delete(texts, i)
		delete(r.a.baselines.histories, i)
		if text := d.String(); text != "" {
			texts[i] = text
		}
	}
	b.flags.set(isEnded, d.Byte() != 0)
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
	layout, err := label.NewLayout(names)
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
	case kindDeferred:
		var traffic counts
		if d.counts(&traffic); traffic.isZero() {
			delete(cs.deferred, i)
		} else {
			cs.deferred[i] = traffic
		}
	case kindConnectionState:
		flags := d.Byte()
		c.setPhase(phase(flags&(flagEnding-1)), d)
		c.ending, c.overflow, c.demoted = flags&flagEnding != 0, flags&flagOverflow != 0, flags&flagDemoted != 0
		c.origin = d.id()
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
	cs.tables += len(c.tables)
	if before := cs.byID[t.CaptureID]; before != nil {
		cs.tables -= len(before.tables)
		*before = *c
		return
	}
	cs.add(c)
}

// finish links what was read: indexes, lists and counts. It returns how many records had to be
// dropped since they contradict others.
func (r *replay) finish() (dropped int) {
	a := r.a
	ss := a.origins
	list := ss.list
	*ss = *newOrigins()
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
		s.node.knownPeriod = max(s.node.knownPeriod, s.journaled)
		s.node.minute = int64(r.feedNow / time.Minute)
	}

	a.finishClocks(r.feedNow)

	bs := a.baselines
	order := make([]uint32, 0, bs.records.size)
	for i := range bs.records.size {
		b := bs.records.at(i)
		if b.flags.is(isUsed) && (int(b.flags.originID()) >= len(list) || list[b.flags.originID()] == nil) {
			b.flags.set(isUsed, false)
			dropped++
		}
		if b.flags.is(isUsed) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(x, y uint32) int {
		return cmp.Compare(bs.records.at(x).seen, bs.records.at(y).seen)
	})
	for _, i := range order {
		b := bs.records.at(i)
		from := list[b.flags.originID()]
		bs.link(i, from)
		b.flags.set(isRepeatable, b.flags.is(isEnded) && a.repeatable(from))
		bs.append(bs.listOf(b), i)
	}
	dropped += r.finishShared()
	bs.records.reclaim(func(b *baseline) bool { return b.flags.is(isUsed) })

	cs := a.connections
	for i := range cs.records.size {
		c := cs.records.at(i)
		if !c.used {
			continue
		}
		hash := cs.byKey.hashText(c.values)
		if other := cs.byKey.find(hash, func(j uint32) bool { return cs.records.at(j).values == c.values }); other != none {
			c.used = false
			dropped++
			continue
		}
		cs.byKey.add(hash, i)
		if !c.overflow && int(c.origin) < len(list) && list[c.origin] != nil {
			// Where node_tid is no label, another node may have reported it first.
			c.node = list[c.origin].node
		}
		c.period = defaultPeriod
		if int(c.origin) < len(list) && list[c.origin] != nil {
			c.period = list[c.origin].node.period(r.feedNow)
		}
		if cs.begin(c); c.phase == ended { // at a tick that may be the latest
			cs.ended = append(cs.ended, departure{i, c.tick})
		}
		if c.phase == closing { // its stale markers come with the values before them
			for i := range c.sampled {
				c.sampled[i] = sampled{c.counts, c.gauges, false}
			}
		}
	}
	cs.records.reclaim(func(c *connection) bool { return c.used })
	for i := range cs.deferred {
		if i >= cs.records.size || !cs.records.at(i).used {
			delete(cs.deferred, i)
			dropped++
		}
	}
	for _, c := range a.captures.list {
		c.sampled, c.live = [2]CaptureRow{c.total, c.total}, [2]bool{}
	}
	return dropped
}
