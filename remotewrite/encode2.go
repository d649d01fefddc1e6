// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"fmt"
)

// A block is a whole 2.0 request, so mostly it is sent as it lies. This file is
// for what is less than a block, or more: a part of one, and zeros in place of
// dropped ones.

// lies says whether req is just its block.
func (req *request) lies() bool {
	return req.repair == nil && req.from == 0 && req.to == req.block.samples
}

// encoder2 makes remote-write 2.0 requests of parts of blocks. Its buffers are
// kept from request to request.
type encoder2 struct {
	reader blockReader
	// refs is the request's reference for each of the block's symbols, 0 for one
	// that it does not have yet. Both begin with the empty string.
	refs    []uint32
	next    uint32
	symbols []byte // field 4 of the request, encoded
	series  []byte // field 5 of the request, encoded
	labels  []byte // references of one series, encoded
	meta    []byte // metadata of one series, encoded
}

// appendRequest appends the plain (not compressed) io.prometheus.write.v2.Request
// of req, byte for byte what Prometheus' Marshal gives. Symbols are numbered as
// they first appear.
func (e *encoder2) appendRequest(dst []byte, req request) ([]byte, encoded, error) {
	var out encoded
	r := &e.reader
	if err := r.reset(req.block.data); err != nil {
		return dst, out, err
	}
	if cap(e.refs) < len(r.symbols) {
		e.refs = make([]uint32, len(r.symbols))
	}
	e.refs = e.refs[:len(r.symbols)]
	clear(e.refs)
	e.next = 1
	e.symbols, e.series = append(e.symbols[:0], tagSymbols, 0), e.series[:0]
	for i := 0; i < req.to; i++ {
		if i < req.from {
			if ok, err := r.skip(); !ok || err != nil {
				return dst, out, cutOff(req, err)
			}
			continue
		}
		if ok, err := r.next(); !ok || err != nil {
			return dst, out, cutOff(req, err)
		}
		value, at, start := r.value, r.at, r.start
		if req.repair != nil {
			if !req.repair.covers(r.start) {
				continue
			}
			// The start stays the counter's own: the values that follow bear it too.
			value, at = req.repair.cast(value)
			if value == staleMarker {
				start = 0
			}
		}
		if err := e.appendSeries(value, at, start); err != nil {
			return dst, out, err
		}
		out.samples++
		if value == staleMarker {
			out.stale++
		}
	}
	return append(append(dst, e.symbols...), e.series...), out, nil
}

// cutOff is why reading a block ended before the request did.
func cutOff(req request, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: it has fewer than %d series", errBlock, req.to)
}

// appendSeries appends the reader's series with one sample.
func (e *encoder2) appendSeries(value uint64, at, start int64) error {
	m, err := e.reader.readMetadata()
	if err != nil {
		return err
	}
	e.labels = e.labels[:0]
	for _, ref := range e.reader.refs {
		e.labels = binary.AppendUvarint(e.labels, e.ref(ref))
	}
	e.meta = appendVarintField(e.meta[:0], tagType, m.kind)
	e.meta = appendVarintField(e.meta, tagHelp, e.ref(m.help))
	e.meta = appendVarintField(e.meta, tagUnit, e.ref(m.unit))

	nSample := 0
	if value != 0 {
		nSample += 9
	}
	if at != 0 {
		nSample += 1 + uvarintLen(uint64(at))
	}
	if start != 0 {
		nSample += 1 + uvarintLen(uint64(start))
	}
	n := 1 + uvarintLen(uint64(len(e.labels))) + len(e.labels) + 2 + nSample + 2 + len(e.meta)
	if len(e.labels) == 0 {
		n -= 2 // an empty list is left out
	}
	s := binary.AppendUvarint(append(e.series, tagTimeseries), uint64(n))
	if len(e.labels) > 0 {
		s = binary.AppendUvarint(append(s, tagLabelsRefs), uint64(len(e.labels)))
		s = append(s, e.labels...)
	}
	s = append(s, tagSamples, byte(nSample)) // 31 bytes at most, so its length takes one
	if value != 0 {
		s = binary.LittleEndian.AppendUint64(append(s, tagValue), value)
	}
	if at != 0 {
		s = binary.AppendUvarint(append(s, tagTimestamp), uint64(at))
	}
	if start != 0 {
		s = binary.AppendUvarint(append(s, tagStart), uint64(start))
	}
	e.series = append(append(s, tagMetadata, byte(len(e.meta))), e.meta...)
	return nil
}

// ref returns the request's reference for a symbol of the block.
func (e *encoder2) ref(old uint32) uint64 {
	if old == 0 {
		return 0
	}
	if e.refs[old] == 0 {
		e.refs[old] = e.next
		e.next++
		e.symbols = append(append(e.symbols, tagSymbols), e.reader.symbols[old]...)
	}
	return uint64(e.refs[old])
}

// metadata is a series' metadata; help and unit are indexes into symbols.
type metadata struct {
	kind       uint64
	help, unit uint32
}

// readMetadata reads the metadata of the series read last.
func (r *blockReader) readMetadata() (metadata, error) {
	var m metadata
	for b := r.metadata; len(b) > 0; {
		tag := b[0]
		v, n := binary.Uvarint(b[1:])
		known := v < uint64(len(r.symbols))
		switch {
		case n <= 0:
			return m, fmt.Errorf("%w: metadata is cut off", errBlock)
		case tag == tagType && v < 64: // one byte, so that the message's length takes one
			m.kind = v
		case tag == tagHelp && known:
			m.help = uint32(v)
		case tag == tagUnit && known:
			m.unit = uint32(v)
		default:
			return m, fmt.Errorf("%w: metadata has tag %#x with value %d", errBlock, tag, v)
		}
		b = b[1+n:]
	}
	return m, nil
}
