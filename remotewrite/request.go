// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"iter"
	"math"

	"github.com/skydive-project/skybridge/remotewrite/client"
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

// workspace is what a sender needs to make a request.
type workspace struct {
	encoder wire.Encoder
	body    *client.Body
}

// ready makes a body that is not in use.
func (w *workspace) ready(v wire.Version) {
	if w.body == nil || !w.body.Idle() {
		w.body = &client.Body{} // a transport still reads the old one
	}
	w.body.Version = v
}

// build makes the body of req in a version of the protocol. A whole block in 2.0
// is sent as it is.
func (w *workspace) build(req request, v wire.Version) (count wire.Count, err error) {
	w.ready(v)
	// The bytes of a block on disk are the body's own, so they may be sent.
	data, raw, err := req.block.Load(w.body.Raw)
	if w.body.Raw = raw; err != nil {
		return count, err
	}
	if v == wire.V2 && req.isWholeBlock() {
		w.body.Data = data
		return req.block.Count, nil
	}
	var change func(*wire.Sample) bool
	if req.repair != nil {
		change = req.repair.change
	}
	if w.body.Data, count, err = w.encoder.Encode(w.body.Buffer, v, data, req.from, req.to, change); err == nil {
		w.body.Buffer = w.body.Data
	}
	return count, err
}

// samples are those that a request carries, as the block has them, as far as it can be
// read: it was readable when it was sent.
func (req *request) samples() iter.Seq[*wire.Reader] {
	return func(yield func(*wire.Reader) bool) {
		var r wire.Reader
		data, _, err := req.block.Load(nil)
		if err != nil || r.Reset(data) != nil {
			return
		}
		for i := range req.to {
			if ok, err := r.Next(); !ok || err != nil || i >= req.from && !yield(&r) {
				return
			}
		}
	}
}

// bytesCounted sums the byte counters of a request.
func (req *request) bytesCounted() (sum uint64) {
	for r := range req.samples() {
		if m, err := r.Metric(); err == nil && m.Unit == queue.UnitBytes && r.Start != 0 { // as TickBuilder.End counts
			sum += uint64(max(0, math.Float64frombits(r.Value)))
		}
	}
	return sum
}

// firstSeries names the first series that a request carries, for people:
// name{label="value"}. It is empty where there is none.
func (req *request) firstSeries() string {
	for r := range req.samples() {
		if req.repair == nil || req.repair.covers(r.Start) {
			return wire.SeriesName(r.Labels())
		}
	}
	return ""
}
