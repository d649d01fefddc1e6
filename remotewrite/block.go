// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/golang/snappy"
)

const (
	// MaxBlockSamples is how many samples a block holds at most, and so the
	// most that one request carries, whatever max_samples_per_send asks for.
	// 2,000 is Prometheus' default and what the receivers were measured with.
	MaxBlockSamples = 2000

	// maxBlockBytes and maxExpanded close a block early where labels are very
	// long: the first by the size of the block, the second by that of its labels
	// written out for each series, as in a 1.0 request. Prometheus refuses requests
	// above 32 MiB.
	maxBlockBytes = 1 << 20
	maxExpanded   = 8 << 20
)

// Tags of io.prometheus.write.v2.Request and the messages in it.
const (
	tagSymbols    = 4<<3 | 2
	tagTimeseries = 5<<3 | 2

	tagLabelsRefs = 1<<3 | 2
	tagSamples    = 2<<3 | 2
	tagMetadata   = 5<<3 | 2

	tagValue     = 1<<3 | 1
	tagTimestamp = 2<<3 | 0
	tagStart     = 3<<3 | 0

	tagType = 1<<3 | 0
	tagHelp = 3<<3 | 0
	tagUnit = 4<<3 | 0
)

// block is some samples of one group of a tick. It needs nothing beside itself
// to be read: data is a whole remote-write 2.0 request, compressed as it goes
// over the wire, each time series with one sample and its metadata. That is also
// what is kept in memory (a fifth to a quarter of the plain bytes) and on disk.
// The other fields only save reading it.
type block struct {
	data []byte
	// samples are all samples, stale markers among them.
	samples, stale int
	// maxStart is the latest start_timestamp, 0 without any.
	maxStart int64
}

// blockBuilder encodes samples into a block as they come. The zero value is
// ready. Buffers are kept from block to block.
type blockBuilder struct {
	symbols symbolTable
	series  []byte // field 5 of the request, encoded

	samples, stale int
	maxStart       int64
	expanded       int // bytes of labels, written out for each series

	metrics []metricRefs
	set     encodedSet
	at      encodedTime
	start   encodedTime

	scratch []byte
}

// metricRefs is what a metric adds to each of its series in the open block.
type metricRefs struct {
	metric *Metric
	// The references of the label __name__, and the field metadata, encoded.
	name, metadata   shortField
	nName, nMetadata int
}

// add appends a sample; the value is given as its bits, for a NaN must survive.
func (b *blockBuilder) add(set *labelSet, m *Metric, value uint64, at, start int64) {
	if b.samples == 0 {
		b.open()
	}
	if b.set.version != set.version {
		b.set.turn(set, &b.symbols)
	}
	refs := b.metricRefs(m)
	labels := b.set.refs
	b.at.set(tagTimestamp, at)
	nStart := 0
	if start != 0 {
		b.start.set(tagStart, start)
		nStart = b.start.n
	}

	// Sizes first, so that every length is written once and forward.
	nLabels := len(labels) + refs.nName
	nSample := b.at.n + nStart
	// Protobuf leaves zero fields out; -0 is zero to it.
	hasValue := math.Float64frombits(value) != 0
	if hasValue {
		nSample += 9
	}
	// A sample takes at most 31 bytes, so its length takes one.
	n := 1 + uvarintLen(uint64(nLabels)) + nLabels + 2 + nSample + refs.nMetadata

	s := slices.Grow(b.series, n+11+len(shortField{}))
	s = appendUvarint(append(s, tagTimeseries), uint64(n))
	s = appendUvarint(append(s, tagLabelsRefs), uint64(nLabels))
	if b.set.split > 0 {
		s = append(s, labels[:b.set.split]...)
	}
	s = refs.name.appendTo(s, refs.nName)
	s = append(s, labels[b.set.split:]...)
	s = append(s, tagSamples, byte(nSample))
	if hasValue {
		s = binary.LittleEndian.AppendUint64(append(s, tagValue), value)
	}
	s = b.at.field.appendTo(s, b.at.n)
	s = b.start.field.appendTo(s, nStart)
	s = refs.metadata.appendTo(s, refs.nMetadata)
	b.series = s

	b.samples++
	b.expanded += b.set.width
	if value == staleMarker {
		b.stale++
	}
	b.maxStart = max(b.maxStart, start)
}

// full says that the block takes no further sample.
func (b *blockBuilder) full() bool {
	return b.samples >= MaxBlockSamples || len(b.symbols.encoded)+len(b.series) >= maxBlockBytes || b.expanded >= maxExpanded
}

// open starts an empty block.
func (b *blockBuilder) open() {
	b.symbols.reset()
	b.series = b.series[:0]
}

// seal returns the block and empties the builder. It must hold a sample.
func (b *blockBuilder) seal() block {
	b.symbols.encoded = append(b.symbols.encoded, b.series...)
	plain := b.symbols.encoded
	if n := snappy.MaxEncodedLen(len(plain)); cap(b.scratch) < n {
		b.scratch = make([]byte, n)
	}
	compressed := snappy.Encode(b.scratch[:cap(b.scratch)], plain)
	out := block{data: append([]byte(nil), compressed...), samples: b.samples, stale: b.stale, maxStart: b.maxStart}
	b.reset()
	return out
}

// reset forgets the open block, and every string that came with its labels.
func (b *blockBuilder) reset() {
	b.samples, b.stale, b.maxStart, b.expanded = 0, 0, 0, 0
	b.set.reset()
	for i := range b.metrics {
		b.metrics[i].metric = nil
	}
	b.metrics = b.metrics[:0]
}

// metricRefs finds what m adds to its series. There are a handful of metrics,
// so a search by address beats a map.
func (b *blockBuilder) metricRefs(m *Metric) *metricRefs {
	for i := range b.metrics {
		if b.metrics[i].metric == m {
			return &b.metrics[i]
		}
	}
	b.metrics = append(b.metrics, metricRefs{metric: m})
	r := &b.metrics[len(b.metrics)-1]
	r.nName = binary.PutUvarint(r.name[:], uint64(b.symbols.ref(nameLabel)))
	r.nName += binary.PutUvarint(r.name[r.nName:], uint64(b.symbols.ref(m.Name)))

	metadata := r.metadata[:2]
	metadata[0] = tagMetadata
	metadata = appendVarintField(metadata, tagType, uint64(m.Type))
	metadata = appendVarintField(metadata, tagHelp, uint64(b.symbols.ref(m.Help)))
	metadata = appendVarintField(metadata, tagUnit, uint64(b.symbols.ref(m.Unit)))
	metadata[1] = byte(len(metadata) - 2)
	r.nMetadata = len(metadata)
	return r
}

// appendVarintField appends a number with its tag, and nothing for zero.
func appendVarintField(dst []byte, tag byte, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return binary.AppendUvarint(append(dst, tag), v)
}

// appendUvarint is binary.AppendUvarint with a short way for short numbers.
func appendUvarint(dst []byte, v uint64) []byte {
	if v < 0x80 {
		return append(dst, byte(v))
	}
	return binary.AppendUvarint(dst, v)
}

// uvarintLen is how many bytes v takes as a varint.
func uvarintLen(v uint64) int {
	return (bits.Len64(v|1) + 6) / 7
}
