// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package former

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
)

// frame applies the records of one frame. After an error nothing that was applied may be used.
func (r *replay) frame(records []byte, feedNow time.Duration) error {
	r.FeedTime = feedNow
	d := decoder{Decoder: disk.Decoder{Rest: records}, limit: r.limit}
	for len(d.Rest) > 0 {
		k := d.Byte()
		if r.record(k, &d); d.Bad {
			return fmt.Errorf("record of kind %d: %w", k, disk.ErrDamaged)
		}
	}
	return nil
}

// record applies a record of a kind, as docs/reference/files.md of the former version lists them.
func (r *replay) record(kind byte, d *decoder) {
	switch kind {
	case 1: // the head of a file
		r.head = d.head()
	case 2: // the end of a snapshot: how long its journal was
		r.tail = int64(d.Uvarint())
	case 3, 4, 5, 6:
		r.origin(kind, d)
	case 7, 8, 9, 10, 26:
		r.baseline(kind, d)
	case 11:
		r.layout(d)
	case 12, 13, 14, 15, 17, 18, 19:
		r.connection(kind, d)
	case 16: // a tick begins; what follows is of this tick
		r.Latest = Tick{d.Varint(), d.Varint(), d.Varint()}
		clear(r.ended)
		if r.sent = false; !d.Bad {
			r.sampleCaptures()
		}
	case 20: // the latest tick may have been sent although the log lacks it
		r.sent = true
	case 21: // the log lacks the latest tick
		r.undo()
	case 22:
		r.report(d)
	case 23:
		r.capture(d)
	case 24: // all captures end with the next tick
		for _, c := range r.Captures {
			c.Ending = c.Ending || c.Phase != Ended
		}
	case 25: // the key of the hashes of conversations
		copy(r.ConversationKey[:], d.Take(uint64(len(r.ConversationKey))))
	case 27, 28, 29, 30:
		r.conversation(kind, d)
	case 31: // what of a baseline does not count
		i := d.id()
		r.Histories[i] = d.counts()
	case 35: // after 11: how label values are made
		if policy := d.String(); r.Layout != nil {
			r.Layout.Policy = policy
		}
	case 36: // an address that answered
		r.listeners.Learn([]byte(d.String()))
	case 40:
		r.clock(d)
	default:
		d.Bad = true
	}
}

// origin applies 3 an origin, 4 its removal, 5 its epoch and marks, 6 its period.
func (r *replay) origin(kind byte, d *decoder) {
	slot := grow(&r.Origins, d.id())
	switch kind {
	case 4:
		*slot = nil
		return
	case 3:
		*slot = &Origin{NodeTID: d.String(), CaptureID: d.String()}
	}
	s := *slot
	if s == nil {
		s = &Origin{} // removed since, but a snapshot may lack what its journal has of it
	}
	if kind != 5 {
		s.Period = time.Duration(d.Uvarint())
	}
	if kind != 6 {
		s.Epoch, s.Evicted = d.Varint(), [2]int64{d.Varint(), d.Varint()}
	}
}

// clock applies 40, an origin's other marks, its node's clock and one of its held records.
func (r *replay) clock(d *decoder) {
	s := *grow(&r.Origins, d.id())
	if s == nil {
		s = &Origin{} // removed since
	}
	c := &Clock{}
	s.Clock, s.AlignedEpoch, s.EvictedByBound, s.Began = c, d.Varint(), [2]int64{d.Varint(), d.Varint()}, time.Duration(d.Varint())
	c.Latest, c.Began, c.Floor, s.Expire = d.Varint(), time.Duration(d.Varint()), d.Varint(), time.Duration(d.Varint())
	c.Pending = d.Varint() != 0
	_, _ = d.Varint(), d.Varint() // times of this process's wait for what decides the step
	c.Lowest, c.Highest, c.Lead, c.AmbiguousUntil = d.Varint(), d.Varint(), d.Varint(), d.Varint()
	held, text := d.Uvarint(), d.String()
	s.Held = s.Held[:min(uint64(len(s.Held)), held)] // a snapshot may lack what its journal adds to
	if text == "" || uint64(len(s.Held)) != held {
		return
	}
	var f input.Flow
	d.Bad = d.Bad || json.Unmarshal([]byte(text), &f) != nil
	s.Held = append(s.Held, f)
}

// baseline applies 7 a baseline, 8 what an update changes of it, 9 its removal, 10 when it was
// seen, 26 its conversation.
func (r *replay) baseline(kind byte, d *decoder) {
	i := d.id()
	b := grow(&r.Baselines, i)
	switch kind {
	case 10:
		b.Seen = time.Duration(d.Varint())
		return
	case 26:
		b.Conversation, b.Shared = d.Uint64(), d.id()
		flags := d.Byte()
		b.Low, b.Observed, b.Outer, b.Mixed, b.LeftOut = flags&1 != 0, flags&2 != 0, flags&4 != 0, flags&8 != 0, flags&16 != 0
		return
	case 7, 9:
		*b = Baseline{Used: kind == 7}
		delete(r.Texts, i)
		delete(r.Histories, i)
		if kind == 9 {
			return
		}
		b.Origin, b.UUID = d.id(), d.Uint64()
		if text := d.String(); text != "" {
			r.Texts[i] = text
		}
		d.Bad = d.Bad || b.Origin >= 1<<18 // more origins than there could be
	}
	b.Ended, b.Start = d.Byte() != 0, d.Varint()
	b.Last, b.Counts, b.Seen = b.Start+d.Varint(), d.counts(), r.FeedTime
}

// conversation applies 27 a shared conversation without its observers, 28 its removal with them,
// 29 an observer, 30 its removal.
func (r *replay) conversation(kind byte, d *decoder) {
	id := d.id()
	if d.Bad = d.Bad || id == 0; d.Bad {
		return
	}
	g := grow(&r.Conversations, id-1)
	switch kind {
	case 27:
		g.Used, g.Primary, g.Low = true, d.id(), d.Byte() != 0
		g.Raised, g.Total, g.History = time.Duration(d.Varint()), d.counts(), d.counts()
	case 28:
		*g = Conversation{}
	case 29:
		o := Observer{Origin: d.id()}
		flags := d.Byte()
		o.Aligned, o.FromStart, o.Trusted = flags&1 != 0, flags&2 != 0, flags&4 != 0
		o.Seen, o.ViewAt, o.PreviousAt, o.Start, o.MergedUntil = time.Duration(d.Varint()), d.Varint(), d.Varint(), d.Varint(), d.Varint()
		o.View, o.PreviousView, o.StartView, o.OwnCounts = d.counts(), d.counts(), d.counts(), d.counts()
		if i := g.observer(o.Origin); i >= 0 {
			g.Observers[i] = o
		} else {
			g.Observers = append(g.Observers, o)
		}
	case 30:
		if i := g.observer(d.id()); i >= 0 {
			g.Observers = slices.Delete(g.Observers, i, i+1)
		}
	}
}

// layout applies 11, label names, with which all connections are removed.
func (r *replay) layout(d *decoder) {
	var names []string
	for range min(d.Uvarint(), 64) {
		names = append(names, d.String())
	}
	layout, err := label.NewLayout(names)
	d.Bad = d.Bad || err != nil
	r.Layout, r.Connections, r.EarliestZero = layout, nil, r.Latest.At+1
	clear(r.Deferred)
	clear(r.ended)
}

// connection applies 12 a connection, 13 its counters and all else of it, 14 its removal, 15
// traffic for its next incarnation, and what happens to it at a tick: 17 its counters begin, 18
// it enters another phase, 19 its stale markers, with the values before.
func (r *replay) connection(kind byte, d *decoder) {
	i := d.id()
	c := grow(&r.Connections, i)
	switch kind {
	case 12:
		*c = Connection{Used: true, Values: d.String()}
	case 13:
		flags := d.incarnation(&c.Incarnation)
		c.Overflow, c.Demoted, c.Origin = flags&16 != 0, flags&32 != 0, d.id()
		c.Traffic, c.Start, c.RTT, c.Counts = time.Duration(d.Varint()), d.Varint(), d.Uvarint(), d.counts()
	case 14:
		*c = Connection{}
		delete(r.ended, i)
	case 15:
		if r.Deferred[i] = d.counts(); r.Deferred[i] == (Counts{}) {
			delete(r.Deferred, i)
		}
	case 17, 18:
		if c.Phase = d.phase(d.Byte()); kind == 17 {
			c.Start = r.Latest.Zero
		}
	case 19:
		final := Connection{Demoted: c.Demoted, Incarnation: Incarnation{Start: d.Varint()}, RTT: d.Uvarint(), Counts: d.counts()}
		r.ended[i] = final
		c.Incarnation, c.Demoted, c.RTT, c.Counts = Incarnation{Start: r.Latest.At + 1, Phase: Ended}, false, 0, Counts{}
	}
}
