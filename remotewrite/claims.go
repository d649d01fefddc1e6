// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"slices"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// seriesKey stands for a series' labels. 128 bits of hash, with another seed in each
// process, so that two series share one in theory only.
type seriesKey [2]uint64

// claims says which series of the log holds a name, where relabelling gives one
// name to several. Two series under one name would be two samples of a series in
// a request, or a counter that jumps between two counts; so the first in the
// order of the log holds the name until it ends, and another is refused as long
// as it lives: to take it up midway would count what it had counted before.
//
// A name is free again for a series that begins after its holder's stale marker. A
// counter that begins with the next tick has its zero at the marker's time: it is
// moved a millisecond behind it.
//
// Across a restart only the refused series are remembered, beside the endpoint's
// place in the log. That is enough: every other series that began before that place
// holds its name; see past.
type claims struct {
	tick    uint32                // counts the ticks that were rewritten
	held    map[seriesKey]claim   // by the name
	refused map[seriesKey]refusal // by the series in the log

	durable bool // refusals are to be remembered
	// former are those of the process before, of which no sample has come yet. Up to a
	// tick at formerEnd (ms), 0 where it is not known yet, series may be missing: no
	// refusal ends for that.
	former     map[queue.Hash]bool
	formerEnd  int64
	patient    bool
	remembered int          // how many of refused
	forgotten  int          // how many there was no room for, since it was last read
	released   []queue.Hash // of refused, by the tick that is rewritten
}

// maxRemembered bounds how many refused series an endpoint remembers across a
// restart, and so its part of a cursor file to 1 MiB, or 2 MiB for a tick in which all
// of them end and others take their place.
const maxRemembered = 1 << 16

// formerRefusals is how long after its first tick a process waits for series that the
// one before refused: those of the topology come with its answers.
const formerRefusals = 10 * time.Minute

// refusal is a series that is not sent.
type refusal struct {
	seen       uint32 // the last tick that had it
	hash       queue.Hash
	remembered bool
}

type claim struct {
	holder seriesKey
	began  int64  // ms, of a series that was learned of
	last   int64  // time of its last sample, ms
	seen   uint32 // the tick that had it
	ended  bool
	moved  int64 // by which its zero was moved, ms
}

// taken is the answer to a claim.
type taken int

const (
	granted taken = iota
	refusedNow
	refusedBefore
)

// take claims a name for a sample at time at of series in, which may be the zero that
// a counter begins with or a stale marker; key is what in is made of.
// The start of what is granted is to be moved by the answer, and so is a zero.
func (c *claims) take(name, in seriesKey, key []byte, at int64, zero, stale bool) (answer taken, moved int64) {
	if len(c.former) > 0 {
		c.resume(in, key)
	}
	// With a zero the series begins again: its end was in a tick that is lost.
	was, known := c.refused[in]
	if known && (c.patient || was.seen+1 >= c.tick) && !zero {
		if was.seen = c.tick; stale {
			c.release(in)
		} else {
			c.refused[in] = was
		}
		return refusedBefore, 0
	}
	switch h, ok := c.held[name]; {
	case !ok:
	case h.holder == in && !zero:
		moved = h.moved
	case h.ended && zero && h.holder != in && at == h.last:
		moved = 1
	case h.holder == in:
	case (h.ended || h.seen+1 < c.tick) && at > h.last:
	default:
		if !stale {
			c.refuse(in, key)
		}
		return refusedNow, 0
	}
	if known {
		c.release(in)
	}
	c.held[name] = claim{holder: in, last: at, seen: c.tick, ended: stale, moved: moved}
	return granted, moved
}

// refuse records that a series is not sent from this tick on.
func (c *claims) refuse(in seriesKey, key []byte) {
	was, known := c.refused[in]
	was.seen = c.tick
	switch {
	case known || !c.durable:
	case c.remembered+len(c.former) >= maxRemembered:
		c.forgotten++
	default:
		was.hash, was.remembered = queue.HashOf(key), true
		c.remembered++
	}
	c.refused[in] = was
}

// release ends the refusal of a series, if there is one.
func (c *claims) release(in seriesKey) {
	if was, ok := c.refused[in]; ok {
		if was.remembered {
			c.remembered--
			c.released = append(c.released, was.hash)
		}
		delete(c.refused, in)
	}
}

// expect sets the series that the process before refused.
func (c *claims) expect(refused queue.Hashes) {
	c.patient, c.former = true, make(map[queue.Hash]bool)
	for hash := range slices.Chunk([]byte(refused), len(queue.Hash{})) {
		c.former[queue.Hash(hash)] = true
	}
}

// resume refuses a series that the process before refused.
func (c *claims) resume(in seriesKey, key []byte) {
	if hash := queue.HashOf(key); c.former[hash] {
		delete(c.former, hash)
		c.refused[in] = refusal{seen: c.tick, hash: hash, remembered: true}
		c.remembered++
	}
}

// endFormer ends the wait for series that the process before refused, if the tick at
// that time (ms) is late enough.
func (c *claims) endFormer(at int64) {
	switch {
	case !c.patient:
	case c.formerEnd == 0:
		c.formerEnd = at + formerRefusals.Milliseconds()
	case at >= c.formerEnd:
		c.former, c.patient = nil, false
	}
}

// remember returns the refused series for a process that begins with the tick that was
// rewritten, or after it. One that begins with the tick sends it again, which must give the
// same: so it also gets those whose refusal the tick ends, and those that it begins, for a
// gauge does not say when it began.
func (c *claims) remember(after bool) queue.Hashes {
	if after {
		c.released = c.released[:0]
	}
	var hashes []byte
	for _, hash := range c.released {
		hashes = append(hashes, hash[:]...)
	}
	for hash := range c.former {
		hashes = append(hashes, hash[:]...)
	}
	for _, r := range c.refused {
		if r.remembered {
			hashes = append(hashes, r.hash[:]...)
		}
	}
	return queue.Hashes(hashes)
}

// move records that the zero of a name's holder is moved behind what may stand at
// its time.
func (c *claims) move(name seriesKey) (moved int64) {
	h := c.held[name]
	h.moved = 1
	c.held[name] = h
	return h.moved
}

// forget drops what is long gone, when that is a good part of what is kept.
func (c *claims) forget() {
	gone := 0
	for _, h := range c.held {
		if h.seen+1 < c.tick {
			gone++
		}
	}
	if gone > len(c.held)/4+256 {
		for name, h := range c.held {
			if h.seen+1 < c.tick {
				delete(c.held, name)
			}
		}
	}
	for in, r := range c.refused {
		if r.seen+1 < c.tick && !c.patient {
			c.release(in)
		}
	}
}
