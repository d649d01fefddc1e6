// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// request is what one remote-write request carries: the samples of a block from
// index from up to to, and where repair is set, instead of them what that makes of
// them.
type request struct {
	block    *queue.Block
	from, to int
	repair   *repair
}

// isWholeBlock says whether req is just its block, which is a request of 2.0 already.
func (req *request) isWholeBlock() bool {
	return req.repair == nil && req.from == 0 && req.to == req.block.Samples
}

// appendRequests appends the requests that carry blocks, each with at most limit
// samples.
func appendRequests(dst []request, blocks []queue.Block, limit int, missing *repair) []request {
	for i := range blocks {
		b := &blocks[i]
		if missing != nil && !missing.all && b.MaxStart < missing.from {
			continue // holds only gauges, stale markers or older counters
		}
		for from := 0; from < b.Samples; from += limit {
			dst = append(dst, request{block: b, from: from, to: min(from+limit, b.Samples), repair: missing})
		}
	}
	return dst
}

// repair makes other samples of those in a block, at one time: mostly zeros in
// place of ones that were dropped. It takes the counters whose start is in
// [from, before), see cursor.gap for why, or all series.
type repair struct {
	from, before, at int64
	all              bool
	as               shape
}

// shape is what a repair makes of a sample.
type shape int

const (
	asZero shape = iota
	asValue
	asStale
)

// covers says whether a counter that started at start (ms, 0: it is none) is among
// those.
func (p *repair) covers(start int64) bool {
	return p.all || start != 0 && start >= p.from && start < p.before
}

// change makes of a sample the one that is sent instead; false: none is.
func (p *repair) change(s *wire.Sample) bool {
	if !p.covers(s.Start) {
		return false
	}
	s.At = p.at
	switch p.as {
	case asZero:
		// The start stays the counter's own: the values that follow bear it too.
		s.Value = 0
	case asStale:
		s.Value, s.Start = wire.StaleMarker, 0
	}
	return true
}
