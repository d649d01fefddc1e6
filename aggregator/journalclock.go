// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// kindClock is a record about a source's marks beside those of kindMarks, its node's
// clock, and one of the records that it holds in doubt.
const kindClock kind = 40

// clock journals the marks and the clock of a source.
func (j *journal) clock(s *source) {
	if !j.idle() {
		j.frame = appendClock(j.frame, s, len(s.held))
		s.clockJournaled = s.node.clock.latest
	}
}

// hold journals that a source holds one record more.
func (j *journal) hold(s *source) {
	if !j.idle() {
		j.frame = appendClock(j.frame, s, len(s.held)-1)
	}
}

// clockMoved journals a clock that has moved on since the journal knows of it.
func (j *journal) clockMoved(s *source) {
	if d := s.node.clock.latest - s.clockJournaled; d > lateAfter.Milliseconds() || d < 0 {
		j.clock(s)
	}
}

// appendClock appends the clock of a source with the held record of that index, if
// there is one.
func appendClock(dst []byte, s *source, held int) []byte {
	c := &s.node.clock
	dst = binary.AppendUvarint(append(dst, byte(kindClock)), uint64(s.id))
	doubt := c.doubt
	if doubt == nil {
		doubt = &emptyDoubt
	}
	for _, n := range [...]int64{
		s.reach, s.displaced.start, s.displaced.last, int64(s.began),
		c.latest, int64(c.began), c.floor, int64(s.node.expire),
		int64(flag(c.doubt != nil)), int64(doubt.began), int64(doubt.seen), doubt.lowest, doubt.highest,
		c.lead, c.twice,
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

var emptyDoubt doubt

// clock replays a record of kindClock.
func (r *replay) clock(d *decoder) {
	id := d.id()
	s := &source{} // forgotten since
	if list := r.a.sources.list; int(id) < len(list) && list[id] != nil {
		s = list[id]
	}
	c := &agentClock{}
	s.reach, s.displaced = d.Varint(), mark{d.Varint(), d.Varint()}
	s.began = time.Duration(d.Varint())
	c.latest, c.began, c.floor = d.Varint(), time.Duration(d.Varint()), d.Varint()
	s.expire = time.Duration(d.Varint())
	inDoubt := d.Varint() != 0
	c.doubt = &doubt{began: time.Duration(d.Varint()), seen: time.Duration(d.Varint()), lowest: d.Varint(), highest: d.Varint()}
	if !inDoubt {
		c.doubt = nil
	}
	c.lead, c.twice = d.Varint(), d.Varint()
	s.restored = c
	held, text := d.Uvarint(), d.String()
	// A snapshot may lack what its journal adds to first.
	s.held = s.held[:min(uint64(len(s.held)), held)]
	if text == "" || uint64(len(s.held)) != held {
		return
	}
	var f Flow
	if json.Unmarshal([]byte(text), &f) != nil {
		d.Bad = true
		return
	}
	s.held = append(s.held, f)
}

// finishClocks gives nodes their clocks: of what their sources say of them, the latest.
func (a *Aggregator) finishClocks() {
	for _, s := range a.sources.byKey {
		c := s.restored
		s.restored = nil
		if c == nil { // of an older version
			s.reach = s.epoch
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
		s.node.sawExpire(s.expire)
	}
	for _, s := range a.sources.byKey {
		if len(s.held) == 0 {
			continue
		}
		c := &s.node.clock
		if c.doubt == nil {
			c.doubt = &doubt{began: c.began, lowest: c.latest, highest: c.latest}
		}
		c.doubt.sources = append(c.doubt.sources, s)
		a.held += len(s.held)
		held := s.held
		s.held = nil
		for i := range held {
			s.hold(held[i])
		}
	}
}
