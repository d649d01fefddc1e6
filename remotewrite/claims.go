// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

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
// The holders are not durable. After a restart the first series that a tick
// carries holds a name; with series that share names that can be another one.
type claims struct {
	held    map[seriesKey]claim  // by the name
	refused map[seriesKey]uint32 // by the series in the log: the last tick that had it
}

type claim struct {
	holder seriesKey
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

func newClaims() claims {
	return claims{held: make(map[seriesKey]claim), refused: make(map[seriesKey]uint32)}
}

// take claims a name for a sample at time at of series in, which may be the zero that
// a counter begins with or a stale marker. tick counts up. The start of what is granted
// is to be moved by the answer, and so is a zero.
func (c *claims) take(name, in seriesKey, at int64, zero, stale bool, tick uint32) (answer taken, moved int64) {
	if seen, ok := c.refused[in]; ok && seen+1 >= tick {
		if c.refused[in] = tick; stale {
			delete(c.refused, in)
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
	case (h.ended || h.seen+1 < tick) && at > h.last:
	default:
		if !stale {
			c.refused[in] = tick
		}
		return refusedNow, 0
	}
	c.held[name] = claim{holder: in, last: at, seen: tick, ended: stale, moved: moved}
	return granted, moved
}

// forget drops what is long gone, when that is a good part of what is kept.
func (c *claims) forget(tick uint32) {
	gone := 0
	for _, h := range c.held {
		if h.seen+1 < tick {
			gone++
		}
	}
	if gone > len(c.held)/4+256 {
		for name, h := range c.held {
			if h.seen+1 < tick {
				delete(c.held, name)
			}
		}
	}
	for in, seen := range c.refused {
		if seen+1 < tick {
			delete(c.refused, in)
		}
	}
}
