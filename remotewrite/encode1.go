// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

// request is what one remote-write request carries: the samples of a block from
// index from up to to, and where repair is set, instead of them what that makes of
// them.
type request struct {
	block    *storedBlock
	from, to int
	repair   *repair
}

// repair makes other samples of those in a block, at one time: mostly zeros in
// place of ones that were dropped. It takes the counters whose start lies in
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

// cast returns the sample that is made of a value.
func (p *repair) cast(value uint64) (uint64, int64) {
	switch p.as {
	case asZero:
		value = 0
	case asStale:
		value = staleMarker
	}
	return value, p.at
}

// encoded is what a request turned out to carry.
type encoded struct{ samples, stale int }

// encoder1 makes the bodies of remote-write 1.0 requests from blocks. Its buffers are
// kept from request to request.
type encoder1 struct {
	reader blockReader
	writer writer1
}

// fill makes the body of req: the compressed form of a WriteRequest, byte for byte as
// prompb's Marshal gives it. Labels come out sorted, for a block has them so. No
// metadata: 1.0 senders give it in requests of its own.
func (e *encoder1) fill(b *body, req request) (encoded, error) {
	var out encoded
	r := &e.reader
	if err := r.reset(req.block.data); err != nil {
		return out, err
	}
	w := &e.writer
	w.begin(b.buffer, r.symbols)
	for range req.from {
		if ok, err := r.skip(); !ok || err != nil {
			return out, cutOff(req, err)
		}
	}
	for range req.to - req.from {
		if ok, err := r.next(); !ok || err != nil {
			return out, cutOff(req, err)
		}
		w.differ(r.head, r.tail)
		value, at := r.value, r.at
		if req.repair != nil {
			if !req.repair.covers(r.start) {
				continue
			}
			value, at = req.repair.cast(value)
		}
		if err := w.write(r.refs, value, at); err != nil {
			return out, err
		}
		out.samples++
		if value == staleMarker {
			out.stale++
		}
	}
	b.data, b.buffer = w.end()
	return out, nil
}
