// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"time"

	"github.com/skydive-project/skybridge/input"
)

const (
	// defaultPeriod is Skydive's default flow.update: how often a live flow is reported,
	// assumed until a node's own windows were seen.
	defaultPeriod = 60 * time.Second
	// periodSlots is how long a window counts, in slots of a minute.
	periodSlots = 10
	// originRetention is how long an origin without baselines stays, in feed time. Removing
	// it is safe: its later records count as after a restart without state.
	originRetention = 24 * time.Hour
	// defaultExpire is Skydive's default flow.expire.
	defaultExpire = 600 * time.Second
	// maxOrigins bounds the pairs of node and capture, about 300 bytes each.
	maxOrigins = 1 << 18
)

// node is a node of Skydive's topology on which captures run.
type node struct {
	windows     [periodSlots]time.Duration // largest LastUpdateMetric window, by minute of feed time
	minute      int64                      // feed-time minute of the newest slot
	largest     time.Duration              // of the windows
	knownPeriod time.Duration              // the period when the last window expired, 0: none
	origins     int                        // how many refer to it
	clock       agentClock
	// expire is the longest that an ended flow had no update, plus a period: an upper bound
	// of Skydive's flow.expire, where it is above the default.
	expire time.Duration

	id            uint32 // number of its record
	nodes         *nodes
	tid           string
	series        int    // of connections that it reported first
	overflowBytes uint64 // of its flows, since it is known
}

// addWindow records one update window. Windows at a flow's start and end are shorter than the
// period.
func (n *node) addWindow(window, feedNow time.Duration) {
	n.advance(feedNow)
	if slot := &n.windows[n.minute%periodSlots]; window > *slot {
		*slot, n.largest = window, max(n.largest, window)
	}
}

// period returns the largest window of the last ten minutes of feed time; without one, the
// one before, for updates may be further apart than that.
func (n *node) period(feedNow time.Duration) time.Duration {
	n.advance(feedNow)
	if n.largest > 0 {
		return n.largest
	}
	if n.knownPeriod > 0 {
		return n.knownPeriod
	}
	return defaultPeriod
}

func (n *node) advance(feedNow time.Duration) {
	minute := int64(feedNow / time.Minute)
	if minute <= n.minute {
		return
	}
	if n.largest > 0 {
		n.knownPeriod = n.largest
	}
	for m := max(n.minute+1, minute-periodSlots+1); m <= minute; m++ {
		n.windows[m%periodSlots] = 0
	}
	n.minute, n.largest = minute, slices.Max(n.windows[:])
}

// capture is a capture as part of baselines' keys.
type capture struct {
	id      uint32
	origins int // how many refer to it
	known   int // baselines
	// Flows without ports; see [knownFlows].
	portless [2]recentCount // live and ended
}

// origin is one capture on one node, from which records come, with what counting at first
// sight needs. Times are milliseconds on the agent's clock, which may differ from ours.
type origin struct {
	id      uint32 // number of its record
	key     originKey
	node    *node
	capture *capture

	// epoch is LUM.Last of the first live record; 0 before. Starts are compared with it,
	// updates with alignedEpoch, which is on the scale of the clock's generation since began.
	epoch, alignedEpoch int64
	// evicted and evictedByBound are the high-water marks of evicted baselines,
	// evictedByBound those that max_flows evicted: a flow that could be one of them must not
	// count again.
	evicted, evictedByBound highWaterMark
	began                   time.Duration // of the generation, as [agentClock.began]
	held                    []input.Flow  // records that wait for a pending step
	heldFlows               map[string]struct{}

	baselines int           // how many refer to this origin
	seen      time.Duration // feed time of its latest record
}

// highWaterMark is the latest Start and the latest [input.Flow.Updated] of some flows.
type highWaterMark struct{ start, last int64 }

func (m *highWaterMark) raise(start, last int64) {
	m.start, m.last = max(m.start, start), max(m.last, last)
}

// align brings the times that updates are compared with to the present generation
// of the agent's clock, all of whose updates come after its floor.
func (s *origin) align() {
	c := &s.node.clock
	if s.began == c.began {
		return
	}
	s.began = c.began
	for _, last := range [...]*int64{&s.alignedEpoch, &s.evicted.last, &s.evictedByBound.last} {
		*last = min(*last, c.floor)
	}
}

// addHeld holds a record and takes ownership of it.
func (s *origin) addHeld(f input.Flow) {
	if s.heldFlows == nil {
		s.heldFlows = map[string]struct{}{}
	}
	s.held = append(s.held, f)
	s.heldFlows[string(f.UUID)] = struct{}{}
}

// holds reports whether a record of the flow is held: later ones have to be held as well,
// for the records of a flow are counted in order.
func (s *origin) holds(f *input.Flow) bool {
	_, ok := s.heldFlows[string(f.UUID)]
	return ok
}

// unused reports whether nothing refers to the origin.
func (s *origin) unused() bool { return s.baselines == 0 && len(s.held) == 0 }

type originKey struct{ nodeTID, captureID string }

// origins interns nodes, captures and their pairs.
type origins struct {
	records     slab[*origin] // nil: a free one
	byKey       map[originKey]*origin
	nodes       *nodes
	captures    map[string]*capture
	nextCapture uint32
	recent      *origin // most messages are of one origin
	hand        uint32  // where the next visit begins
}

func newOrigins() *origins {
	return &origins{
		byKey:    map[originKey]*origin{},
		nodes:    &nodes{byTID: map[string]*node{}},
		captures: map[string]*capture{},
	}
}

// get returns the origin of a flow, or nil for a new one above the bound when none can be
// evicted.
func (s *origins) get(f *input.Flow, feedNow time.Duration) *origin {
	from := s.recent
	if from == nil || from.key.nodeTID != string(f.NodeTID) || from.key.captureID != string(f.CaptureID) {
		var ok bool
		if from, ok = s.byKey[originKey{string(f.NodeTID), string(f.CaptureID)}]; !ok {
			if len(s.byKey) >= maxOrigins && !s.evict() {
				return nil
			}
			from = s.add(originKey{string(f.NodeTID), string(f.CaptureID)})
		}
		s.recent = from
	}
	if s.records.section != nil {
		s.at(from.id) // it changes
	}
	from.seen = feedNow
	return from
}

// peek returns the origin with that id, which must not be changed.
func (s *origins) peek(id uint32) *origin { return *s.records.peek(id) }

// at returns the origin with that id, which may be changed, as may its node.
func (s *origins) at(id uint32) *origin {
	from := *s.records.at(id)
	s.nodes.records.at(from.node.id)
	return from
}

func (s *origins) add(key originKey) *origin {
	from := &origin{id: s.records.alloc(), key: key}
	*s.records.at(from.id) = from
	s.link(from)
	return from
}

// link makes get find an origin.
func (s *origins) link(from *origin) {
	n := s.nodes.get(from.key.nodeTID)
	n.origins++
	c, ok := s.captures[from.key.captureID]
	if !ok {
		c = &capture{id: s.nextCapture}
		s.nextCapture++
		s.captures[from.key.captureID] = c
	}
	c.origins++
	from.node, from.capture = n, c
	s.byKey[from.key] = from
}

// sweep removes origins without baselines and records for originRetention. Each time it
// visits the next some of them.
func (s *origins) sweep(feedNow time.Duration) {
	const look = 1024
	s.visit(look, func(from *origin) {
		if from.unused() && feedNow-from.seen >= originRetention {
			s.remove(from)
		}
	})
}

// evict removes the origin without baselines whose latest record is the oldest among the next
// some, and reports whether there was one.
func (s *origins) evict() bool {
	const look = 64
	var oldest *origin
	s.visit(look, func(from *origin) {
		if from.unused() && (oldest == nil || from.seen < oldest.seen) {
			oldest = from
		}
	})
	if oldest == nil {
		return false
	}
	s.remove(oldest)
	return true
}

// visit visits the next origins in the order of their ids.
func (s *origins) visit(look uint32, visit func(*origin)) {
	for range min(look, s.records.size) {
		s.hand = (s.hand + 1) % s.records.size
		if from := s.peek(s.hand); from != nil {
			visit(from)
		}
	}
}

// remove removes an origin without baselines; see originRetention.
func (s *origins) remove(from *origin) {
	delete(s.byKey, from.key)
	s.records.release(from.id)
	from.node.origins--
	from.node.deleteIfUnused()
	if from.capture.origins--; from.capture.origins == 0 {
		delete(s.captures, from.key.captureID)
	}
	if s.recent == from {
		s.recent = nil
	}
}
