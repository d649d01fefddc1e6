// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

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
	// maxSources bounds the pairs of node and capture, about 300 bytes each.
	maxSources = 1 << 18
)

// node is a capture point, known by its topology id.
type node struct {
	windows [periodSlots]time.Duration // largest LastUpdateMetric window, by minute of feed time
	minute  int64                      // feed-time minute of the newest slot
	sources int                        // how many refer to it
}

// observe records one update window. Windows at a flow's start and end are
// shorter than the period, so the largest one tells.
func (n *node) observe(window, feedNow time.Duration) {
	n.advance(feedNow)
	if slot := &n.windows[n.minute%periodSlots]; window > *slot {
		*slot = window
	}
}

// period returns the largest window of the last ten minutes of feed time.
func (n *node) period(feedNow time.Duration) time.Duration {
	n.advance(feedNow)
	var largest time.Duration
	for _, w := range n.windows {
		largest = max(largest, w)
	}
	if largest == 0 {
		return defaultPeriod
	}
	return largest
}

func (n *node) advance(feedNow time.Duration) {
	minute := int64(feedNow / time.Minute)
	if minute-n.minute >= periodSlots {
		n.windows = [periodSlots]time.Duration{}
	} else {
		for m := n.minute + 1; m <= minute; m++ {
			n.windows[m%periodSlots] = 0
		}
	}
	n.minute = minute
}

// capture is a capture's name as part of baselines' keys.
type capture struct {
	id      uint32
	sources int // how many refer to it
}

// source is one capture on one node, with what rule 3 of counting (first
// sight) needs to tell new traffic from history. Times are milliseconds on the
// agent's clock, which need not agree with ours.
type source struct {
	key     sourceKey
	node    *node
	capture *capture

	// epoch is LUM.Last of the first record that was not an end record; 0 before.
	epoch int64
	// evictedStart and evictedLast are the latest Start and LUM.Last among
	// baselines that were evicted: a flow that could be one of those must not
	// count its history again.
	evictedStart, evictedLast int64

	baselines int           // how many refer to this source
	seen      time.Duration // feed time of its latest record
}

type sourceKey struct{ nodeTID, captureID string }

// sources interns nodes, captures and their pairs.
type sources struct {
	byKey       map[sourceKey]*source
	nodes       map[string]*node
	captures    map[string]*capture
	nextCapture uint32
	recent      *source       // most messages are of one source
	swept       time.Duration // feed time of the last sweep
}

func newSources() *sources {
	return &sources{
		byKey:    map[sourceKey]*source{},
		nodes:    map[string]*node{},
		captures: map[string]*capture{},
	}
}

// get returns the source of a flow, or nil when it is a new one and there are
// maxSources already.
func (s *sources) get(f *Flow, feedNow time.Duration) *source {
	src := s.recent
	if src == nil || src.key.nodeTID != string(f.NodeTID) || src.key.captureID != string(f.CaptureID) {
		var ok bool
		if src, ok = s.byKey[sourceKey{string(f.NodeTID), string(f.CaptureID)}]; !ok {
			if len(s.byKey) >= maxSources {
				return nil
			}
			src = s.add(sourceKey{string(f.NodeTID), string(f.CaptureID)})
		}
		s.recent = src
	}
	src.seen = feedNow
	return src
}

func (s *sources) add(key sourceKey) *source {
	n, ok := s.nodes[key.nodeTID]
	if !ok {
		n = &node{}
		s.nodes[key.nodeTID] = n
	}
	n.sources++
	c, ok := s.captures[key.captureID]
	if !ok {
		c = &capture{id: s.nextCapture}
		s.nextCapture++
		s.captures[key.captureID] = c
	}
	c.sources++
	src := &source{key: key, node: n, capture: c}
	s.byKey[key] = src
	return src
}

// sweep forgets sources that have had no baseline and no record for
// sourceRetention. It looks once an hour, for it looks at all of them.
func (s *sources) sweep(feedNow time.Duration) {
	if feedNow-s.swept < time.Hour {
		return
	}
	s.swept = feedNow
	for key, src := range s.byKey {
		if src.baselines > 0 || feedNow-src.seen < sourceRetention {
			continue
		}
		delete(s.byKey, key)
		if src.node.sources--; src.node.sources == 0 {
			delete(s.nodes, key.nodeTID)
		}
		if src.capture.sources--; src.capture.sources == 0 {
			delete(s.captures, key.captureID)
		}
		if s.recent == src {
			s.recent = nil
		}
	}
}
