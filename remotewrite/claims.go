// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

// claims says which series of the log holds a name, where relabelling gives one
// name to several. Two series under one name would be two samples of a series in
// a request, or a counter that jumps between two counts; so the first in the
// order of the log holds the name until it ends, and another is refused as long
// as it lives: to take it up midway would count what it had counted before.
//
// A name is free again for a series that begins after its holder's stale marker.
// That is the next tick but one for a counter, whose zero would else have the
// marker's time.
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

// take claims a name for a sample at time at of series in. tick counts up.
func (c *claims) take(name, in seriesKey, at int64, stale bool, tick uint32) taken {
	if seen, ok := c.refused[in]; ok && seen+1 >= tick {
		if c.refused[in] = tick; stale {
			delete(c.refused, in)
		}
		return refusedBefore
	}
	switch h, ok := c.held[name]; {
	case !ok || h.holder == in:
	case (h.ended || h.seen+1 < tick) && at > h.last:
	default:
		if !stale {
			c.refused[in] = tick
		}
		return refusedNow
	}
	c.held[name] = claim{holder: in, last: at, seen: tick, ended: stale}
	return granted
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
