// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
)

// kindClock is a record about an origin's marks beside those of kindMarks, its node's clock,
// and one of its held records.
const kindClock kind = 40

// clock journals the marks and the clock of an origin.
func (j *journal) clock(s *origin) {
	if !j.idle() {
		j.frame = appendClock(j.frame, s, len(s.held))
		s.clockJournaled = s.node.clock.latest
	}
}

// hold journals that an origin holds one record more.
func (j *journal) hold(s *origin) {
	if !j.idle() {
		j.frame = appendClock(j.frame, s, len(s.held)-1)
	}
}

// clockMoved journals a clock that has advanced, or was set, since it was last journaled.
func (j *journal) clockMoved(s *origin) {
	if d := s.node.clock.latest - s.clockJournaled; d > lateAfter.Milliseconds() || d < 0 {
		j.clock(s)
	}
}

// appendClock appends the clock of an origin, with the held record of that index, if any.
func appendClock(dst []byte, s *origin, held int) []byte {
	c := &s.node.clock
	dst = binary.AppendUvarint(append(dst, byte(kindClock)), uint64(s.id))
	p := c.pending
	if p == nil {
		p = &noPendingStep
	}
	for _, n := range [...]int64{
		s.alignedEpoch, s.evictedByBound.start, s.evictedByBound.last, int64(s.began),
		c.latest, int64(c.began), c.floor, int64(s.node.expire),
		int64(flag(c.pending != nil)), int64(p.firstSeen), int64(p.lastSeen), p.lowest, p.highest,
		c.lead, c.ambiguousUntil,
	} {
		dst = binary.AppendVarint(dst, n)
	}
	dst = binary.AppendUvarint(dst, uint64(held))
	if held == len(s.held) {
		return disk.AppendString(dst, "")
	}
	text, err := json.Marshal(&s.held[held])
	if err != nil {
		text = nil // impossible: numbers, booleans and bytes
	}
	return disk.AppendString(dst, string(text))
}

var noPendingStep pendingStep

// clock replays a record of kindClock.
func (r *replay) clock(d *decoder) {
	id := d.id()
	s := &origin{} // removed since
	if list := r.a.origins.list; int(id) < len(list) && list[id] != nil {
		s = list[id]
	}
	c := &agentClock{}
	s.alignedEpoch, s.evictedByBound = d.Varint(), highWaterMark{d.Varint(), d.Varint()}
	s.began = time.Duration(d.Varint())
	c.latest, c.began, c.floor = d.Varint(), time.Duration(d.Varint()), d.Varint()
	s.expire = time.Duration(d.Varint())
	isPending := d.Varint() != 0
	c.pending = &pendingStep{firstSeen: time.Duration(d.Varint()), lastSeen: time.Duration(d.Varint()), lowest: d.Varint(), highest: d.Varint()}
	if !isPending {
		c.pending = nil
	}
	c.lead, c.ambiguousUntil = d.Varint(), d.Varint()
	s.restored = c
	held, text := d.Uvarint(), d.String()
	// A snapshot may lack what its journal adds to.
	s.held = s.held[:min(uint64(len(s.held)), held)]
	if text == "" || uint64(len(s.held)) != held {
		return
	}
	var f input.Flow
	if json.Unmarshal([]byte(text), &f) != nil {
		d.Bad = true
		return
	}
	s.held = append(s.held, f)
}

// finishClocks gives nodes the latest clocks of their origins. The wait for what decides a
// pending step starts again: it may have come while there was no process, or was lost with the
// former one.
func (a *Aggregator) finishClocks(feedNow time.Duration) {
	for _, s := range a.origins.list {
		if s == nil {
			continue
		}
		c := s.restored
		s.restored = nil
		if c == nil { // of an older version
			s.alignedEpoch = s.epoch
			continue
		}
		n := &s.node.clock
		if c.began == n.began {
			c.lead = max(c.lead, n.lead)
			n.lead = c.lead
		}
		if c.began > n.began || c.began == n.began && c.latest >= n.latest {
			*n = *c
		}
		if d := n.pending; d != nil {
			d.firstSeen, d.lastSeen = feedNow, feedNow
		}
		s.node.sawExpire(s.expire)
	}
	for _, s := range a.origins.list {
		if s == nil || len(s.held) == 0 {
			continue
		}
		c := &s.node.clock
		if c.pending == nil {
			c.pending = &pendingStep{firstSeen: feedNow, lastSeen: feedNow, lowest: c.latest, highest: c.latest}
		}
		c.pending.origins = append(c.pending.origins, s)
		a.held += len(s.held)
		held := s.held
		s.held = nil
		for i := range held {
			s.addHeld(held[i])
		}
	}
}
