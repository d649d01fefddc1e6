// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"time"
)

const (
	// defaultPeriod is Skydive's default flow.update: how often a live flow is
	// reported, assumed until a node's own windows have been seen.
	defaultPeriod = 60 * time.Second
	// periodSlots is how long a window is remembered, in slots of a minute.
	periodSlots = 10
	// sourceRetention is how long a source without baselines keeps its epoch and
	// marks, in feed time. Forgetting them is safe: what comes later counts as
	// after a restart without state, so nothing counts twice.
	sourceRetention = 24 * time.Hour
	// defaultExpire is Skydive's default flow.expire.
	defaultExpire = 600 * time.Second
	// maxSources bounds the pairs of node and capture, about 300 bytes each.
	maxSources = 1 << 18
)

// node is a capture point, known by its topology id.
type node struct {
	windows [periodSlots]time.Duration // largest LastUpdateMetric window, by minute of feed time
	minute  int64                      // feed-time minute of the newest slot
	known   time.Duration              // the period before the windows were forgotten, 0: none
	sources int                        // how many refer to it
	clock   agentClock
	// expire is how long after its last update a flow was reported to have ended, at
	// most, and a period: Skydive's flow.expire or more, where it is not the default.
	expire time.Duration

	among  *nodes
	tid    string
	series int    // of the connections that it reported first
	folded uint64 // bytes of its flows that the overflow counts, since it is known
}

// observe records one update window. Windows at a flow's start and end are
// shorter than the period, so the largest one tells.
func (n *node) observe(window, feedNow time.Duration) {
	n.advance(feedNow)
	if slot := &n.windows[n.minute%periodSlots]; window > *slot {
		*slot = window
	}
}

// period returns the largest window of the last ten minutes of feed time. Where
// there was none, the one before stays: updates may be further apart than that.
func (n *node) period(feedNow time.Duration) time.Duration {
	n.advance(feedNow)
	if largest := slices.Max(n.windows[:]); largest > 0 {
		return largest
	}
	if n.known > 0 {
		return n.known
	}
	return defaultPeriod
}

func (n *node) advance(feedNow time.Duration) {
	minute := int64(feedNow / time.Minute)
	if minute <= n.minute {
		return
	}
	if largest := slices.Max(n.windows[:]); largest > 0 {
		n.known = largest
	}
	for m := max(n.minute+1, minute-periodSlots+1); m <= minute; m++ {
		n.windows[m%periodSlots] = 0
	}
	n.minute = minute
}

// capture is a capture's name as part of baselines' keys.
type capture struct {
	id      uint32
	sources int // how many refer to it
	known   int // of its flows, see [knownFlows]
}

// source is one capture on one node, with what rule 3 of counting (first
// sight) needs to tell new traffic from history. Times are milliseconds on the
// agent's clock, which need not agree with ours.
type source struct {
	id      uint32 // index in [sources.list]
	key     sourceKey
	node    *node
	capture *capture

	// epoch is LUM.Last of the first record that was not an end record; 0 before.
	// Starts are compared with it. What updates are compared with is on the scale of
	// the clock's generation since began: reach is the epoch there.
	epoch, reach int64
	// retired and displaced are the marks of baselines that were evicted, displaced
	// those of max_flows: a flow that could be one of those must not count again.
	retired, displaced mark
	began              time.Duration // of the generation, as [agentClock.began]
	held               []Flow        // in doubt
	heldFlows          map[string]struct{}
	clockJournaled     int64 // [agentClock.latest] that the journal has
	// While the state is read, what it says of the node.
	restored *agentClock
	expire   time.Duration

	baselines int           // how many refer to this source
	seen      time.Duration // feed time of its latest record
	journaled time.Duration // the period that the journal has
}

// mark is the latest Start and the latest [Flow.updated] among some flows.
type mark struct{ start, last int64 }

func (m *mark) raise(start, last int64) {
	m.start, m.last = max(m.start, start), max(m.last, last)
}

// align brings the times that updates are compared with to the present generation
// of the agent's clock, all of whose updates come after its floor, and says whether
// that was another one.
func (s *source) align() (changed bool) {
	c := &s.node.clock
	if s.began == c.began {
		return false
	}
	s.began = c.began
	for _, last := range [...]*int64{&s.reach, &s.retired.last, &s.displaced.last} {
		*last = min(*last, c.floor)
	}
	return true
}

// hold keeps a record in doubt. It belongs to the source from then on.
func (s *source) hold(f Flow) {
	if s.heldFlows == nil {
		s.heldFlows = map[string]struct{}{}
	}
	s.held = append(s.held, f)
	s.heldFlows[string(f.UUID)] = struct{}{}
}

// holds says whether a record of the flow is held: those after it have to wait, for
// what a flow adds is told by its records in their order.
func (s *source) holds(f *Flow) bool {
	_, ok := s.heldFlows[string(f.UUID)]
	return ok
}

// idle says whether nothing refers to the source.
func (s *source) idle() bool { return s.baselines == 0 && len(s.held) == 0 }

type sourceKey struct{ nodeTID, captureID string }

// sources interns nodes, captures and their pairs.
type sources struct {
	journal     *journal
	list        []*source // by id; nil: a free one
	free        []uint32
	byKey       map[sourceKey]*source
	nodes       *nodes
	captures    map[string]*capture
	nextCapture uint32
	recent      *source       // most messages are of one source
	swept       time.Duration // feed time of the last sweep
}

func newSources() *sources {
	return &sources{
		byKey:    map[sourceKey]*source{},
		nodes:    &nodes{byTID: map[string]*node{}},
		captures: map[string]*capture{},
	}
}

// get returns the source of a flow, or nil when it is a new one, there are
// maxSources already, and none of them can be forgotten.
func (s *sources) get(f *Flow, feedNow time.Duration) *source {
	src := s.recent
	if src == nil || src.key.nodeTID != string(f.NodeTID) || src.key.captureID != string(f.CaptureID) {
		var ok bool
		if src, ok = s.byKey[sourceKey{string(f.NodeTID), string(f.CaptureID)}]; !ok {
			if len(s.byKey) >= maxSources && !s.evict() {
				return nil
			}
			src = s.add(sourceKey{string(f.NodeTID), string(f.CaptureID)})
			s.journal.source(src, feedNow)
		}
		s.recent = src
	}
	src.seen = feedNow
	return src
}

func (s *sources) add(key sourceKey) *source {
	src := &source{id: s.newID(), key: key}
	s.list[src.id] = src
	s.link(src)
	return src
}

// link makes a source one that get finds.
func (s *sources) link(src *source) {
	n := s.nodes.get(src.key.nodeTID)
	n.sources++
	c, ok := s.captures[src.key.captureID]
	if !ok {
		c = &capture{id: s.nextCapture}
		s.nextCapture++
		s.captures[src.key.captureID] = c
	}
	c.sources++
	src.node, src.capture = n, c
	s.byKey[src.key] = src
}

func (s *sources) newID() uint32 {
	if n := len(s.free); n > 0 {
		id := s.free[n-1]
		s.free = s.free[:n-1]
		return id
	}
	s.list = append(s.list, nil)
	return uint32(len(s.list) - 1)
}

// period returns how often live flows of the source with that id are reported.
// The source may be forgotten, and its id another's.
func (s *sources) period(id uint32, feedNow time.Duration) time.Duration {
	if int(id) < len(s.list) && s.list[id] != nil {
		return s.list[id].node.period(feedNow)
	}
	return defaultPeriod
}

// sweep forgets sources that have had no baseline and no record for
// sourceRetention. It looks once an hour, for it looks at all of them.
func (s *sources) sweep(feedNow time.Duration) {
	if feedNow-s.swept < time.Hour {
		return
	}
	s.swept = feedNow
	for key, src := range s.byKey {
		if src.idle() && feedNow-src.seen >= sourceRetention {
			s.forget(key, src)
		}
	}
}

// evict forgets a source without baselines, of some that chance picks the one
// unseen longest, and says whether it found one.
func (s *sources) evict() bool {
	const look = 64
	var oldest *source
	looked := 0
	for _, src := range s.byKey {
		if src.idle() && (oldest == nil || src.seen < oldest.seen) {
			oldest = src
		}
		if looked++; looked == look {
			break
		}
	}
	if oldest == nil {
		return false
	}
	s.forget(oldest.key, oldest)
	return true
}

// forget takes a source out. Safe at any time that it has no baselines: what
// comes of it later counts as after a restart without state.
func (s *sources) forget(key sourceKey, src *source) {
	delete(s.byKey, key)
	s.list[src.id] = nil
	s.free = append(s.free, src.id)
	s.journal.sourceFree(src.id)
	src.node.sources--
	src.node.leave()
	if src.capture.sources--; src.capture.sources == 0 {
		delete(s.captures, key.captureID)
	}
	if s.recent == src {
		s.recent = nil
	}
}
