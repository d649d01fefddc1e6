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
	// clockStep is how far an update may lie behind a newer one without the
	// agent's clock having been set back. Updates overtake each other by seconds.
	clockStep = time.Hour
	// maxSources bounds the pairs of node and capture, about 300 bytes each.
	maxSources = 1 << 18
)

// node is a capture point, known by its topology id.
type node struct {
	windows [periodSlots]time.Duration // largest LastUpdateMetric window, by minute of feed time
	minute  int64                      // feed-time minute of the newest slot
	known   time.Duration              // the period before the windows were forgotten, 0: none
	sources int                        // how many refer to it

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
	epoch int64
	// evictedStart and evictedLast are the latest Start and Flow.updated among
	// baselines that were evicted: a flow that could be one of those must not
	// count its history again.
	evictedStart, evictedLast int64

	baselines int           // how many refer to this source
	seen      time.Duration // feed time of its latest record
	journaled time.Duration // the period that the journal has
}

// present takes the time, in milliseconds on the agent's clock, that a live
// flow was updated. The first one is the epoch.
//
// Where it lies well before the epoch or a mark, the agent's clock was set back,
// or a single record lied: no flow that counted can be of a later time than the
// present one. The epoch and the marks then come down to it, or nothing would
// count until the clock had passed them.
//
// It says whether anything changed.
func (s *source) present(last int64) (changed bool) {
	if s.epoch == 0 {
		s.epoch, changed = last, true
	}
	lower := func(mark *int64, to int64) {
		if *mark-last > clockStep.Milliseconds() {
			*mark, changed = to, true
		}
	}
	lower(&s.epoch, last)
	lower(&s.evictedStart, last)
	lower(&s.evictedLast, last-1) // so that this very update may count
	return changed
}

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
		if src.baselines == 0 && feedNow-src.seen >= sourceRetention {
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
		if src.baselines == 0 && (oldest == nil || src.seen < oldest.seen) {
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
