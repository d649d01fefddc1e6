// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"math"
	"math/bits"

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
// what lies in memory (a fifth to a quarter of the plain bytes) and what can lie
// on disk. The other fields only save reading it.
type block struct {
	data []byte
	// samples are all samples, stale markers among them.
	samples, stale int
	// maxStart is the latest start_timestamp, 0 without any.
	maxStart int64

	// Where source is not nil, data is nil and lies on disk instead: size bytes
	// from offset, with a checksum. See load.
	source *segment
	offset int64
	size   int
	sum    uint32
}

// blockBuilder encodes samples into a block as they come. The zero value is
// ready. Buffers are kept from block to block.
type blockBuilder struct {
	symbols []byte // field 4 of the request, encoded
	series  []byte // field 5 of the request, encoded
	refs    map[string]uint32

	samples, stale int
	maxStart       int64
	expanded       int // bytes of labels, written out for each series

	metrics []metricRefs
	// The set that was last seen, its references, and those encoded, before and
	// after the metric's name. Neighbours share most labels, and the samples of
	// one connection share all of them.
	version    uint64
	last       []Label
	lastRefs   []uint32
	head, tail []byte
	width      int // bytes of the set's labels, written out

	scratch []byte
}

// metricRefs is what a metric adds to each of its series in the open block.
type metricRefs struct {
	metric   *Metric
	name     []byte // references of the label __name__, encoded
	metadata []byte // the field metadata, encoded
}

// add appends a sample; the value is given as its bits, for a NaN must survive.
func (b *blockBuilder) add(set *labelSet, m *Metric, value uint64, at, start int64) {
	if b.samples == 0 {
		b.open()
	}
	if b.version != set.version {
		b.intern(set)
	}
	refs := b.metricRefs(m)

	// Sizes first, so that every length is written once and forward.
	nLabels := len(b.head) + len(refs.name) + len(b.tail)
	nSample := 0
	// Protobuf leaves zero fields out; -0 is zero to it.
	hasValue := math.Float64frombits(value) != 0
	if hasValue {
		nSample += 9
	}
	if at != 0 {
		nSample += 1 + uvarintLen(uint64(at))
	}
	if start != 0 {
		nSample += 1 + uvarintLen(uint64(start))
	}
	n := 1 + uvarintLen(uint64(nLabels)) + nLabels + 1 + uvarintLen(uint64(nSample)) + nSample + len(refs.metadata)

	s := binary.AppendUvarint(append(b.series, tagTimeseries), uint64(n))
	s = binary.AppendUvarint(append(s, tagLabelsRefs), uint64(nLabels))
	s = append(s, b.head...)
	s = append(s, refs.name...)
	s = append(s, b.tail...)
	s = binary.AppendUvarint(append(s, tagSamples), uint64(nSample))
	if hasValue {
		s = binary.LittleEndian.AppendUint64(append(s, tagValue), value)
	}
	if at != 0 {
		s = binary.AppendUvarint(append(s, tagTimestamp), uint64(at))
	}
	if start != 0 {
		s = binary.AppendUvarint(append(s, tagStart), uint64(start))
	}
	s = append(s, refs.metadata...)
	b.series = s

	b.samples++
	b.expanded += b.width
	if value == staleMarker {
		b.stale++
	}
	b.maxStart = max(b.maxStart, start)
}

// full says that the block takes no further sample.
func (b *blockBuilder) full() bool {
	return b.samples >= MaxBlockSamples || len(b.symbols)+len(b.series) >= maxBlockBytes || b.expanded >= maxExpanded
}

// open starts an empty block. Its first symbol is the empty string (2.0 demands
// it), which no label here has, so the map need not know it.
func (b *blockBuilder) open() {
	if b.refs == nil {
		b.refs = make(map[string]uint32)
	}
	b.symbols = append(b.symbols[:0], tagSymbols, 0)
	b.series = b.series[:0]
}

// seal returns the block and empties the builder. It must hold a sample.
func (b *blockBuilder) seal() block {
	b.symbols = append(b.symbols, b.series...)
	if n := snappy.MaxEncodedLen(len(b.symbols)); cap(b.scratch) < n {
		b.scratch = make([]byte, n)
	}
	compressed := snappy.Encode(b.scratch[:cap(b.scratch)], b.symbols)
	out := block{data: append([]byte(nil), compressed...), samples: b.samples, stale: b.stale, maxStart: b.maxStart}
	b.reset()
	return out
}

// reset forgets the open block, and every string that came with its labels.
func (b *blockBuilder) reset() {
	b.samples, b.stale, b.maxStart, b.expanded, b.version = 0, 0, 0, 0, 0
	clear(b.refs)
	clear(b.last[:cap(b.last)])
	b.last, b.lastRefs = b.last[:0], b.lastRefs[:0]
	for i := range b.metrics {
		b.metrics[i].metric = nil
	}
	b.metrics = b.metrics[:0]
}

// intern looks up the references of a label set and encodes them.
func (b *blockBuilder) intern(set *labelSet) {
	b.version = set.version
	b.head, b.tail, b.width = b.head[:0], b.tail[:0], 0
	known := len(b.last)
	for i, l := range set.labels {
		var name, value uint32
		if i < known && b.last[i].Name == l.Name {
			name = b.lastRefs[2*i]
		} else {
			name = b.symbol(l.Name)
		}
		if i < known && b.last[i].Value == l.Value {
			value = b.lastRefs[2*i+1]
		} else {
			value = b.symbol(l.Value)
		}
		if i < known {
			b.last[i], b.lastRefs[2*i], b.lastRefs[2*i+1] = l, name, value
		} else {
			b.last = append(b.last, l)
			b.lastRefs = append(b.lastRefs, name, value)
		}
		b.width += len(l.Name) + len(l.Value)
		side := &b.head
		if i >= set.nameAt {
			side = &b.tail
		}
		*side = binary.AppendUvarint(*side, uint64(name))
		*side = binary.AppendUvarint(*side, uint64(value))
	}
	if known > len(set.labels) {
		clear(b.last[len(set.labels):])
		b.last, b.lastRefs = b.last[:len(set.labels)], b.lastRefs[:2*len(set.labels)]
	}
}

// symbol returns the reference of a string, which it adds where it is new.
func (b *blockBuilder) symbol(s string) uint32 {
	if s == "" {
		return 0
	}
	ref, ok := b.refs[s]
	if !ok {
		ref = uint32(len(b.refs) + 1)
		b.refs[s] = ref
		b.symbols = binary.AppendUvarint(append(b.symbols, tagSymbols), uint64(len(s)))
		b.symbols = append(b.symbols, s...)
	}
	return ref
}

// metricRefs finds what m adds to its series. There are a handful of metrics,
// so a search by address beats a map.
func (b *blockBuilder) metricRefs(m *Metric) *metricRefs {
	for i := range b.metrics {
		if b.metrics[i].metric == m {
			return &b.metrics[i]
		}
	}
	if n := len(b.metrics); n < cap(b.metrics) {
		b.metrics = b.metrics[:n+1] // with the buffers of an earlier block
	} else {
		b.metrics = append(b.metrics, metricRefs{})
	}
	r := &b.metrics[len(b.metrics)-1]
	r.metric = m
	r.name = binary.AppendUvarint(r.name[:0], uint64(b.symbol(nameLabel)))
	r.name = binary.AppendUvarint(r.name, uint64(b.symbol(m.Name)))

	help, unit := uint64(b.symbol(m.Help)), uint64(b.symbol(m.Unit))
	n := 0
	for _, v := range [...]uint64{uint64(m.Type), help, unit} {
		if v != 0 {
			n += 1 + uvarintLen(v)
		}
	}
	r.metadata = append(r.metadata[:0], tagMetadata, byte(n))
	r.metadata = appendVarintField(r.metadata, tagType, uint64(m.Type))
	r.metadata = appendVarintField(r.metadata, tagHelp, help)
	r.metadata = appendVarintField(r.metadata, tagUnit, unit)
	return r
}

// appendVarintField appends a number with its tag, and nothing for zero.
func appendVarintField(dst []byte, tag byte, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return binary.AppendUvarint(append(dst, tag), v)
}

// uvarintLen is how many bytes v takes as a varint.
func uvarintLen(v uint64) int {
	return (bits.Len64(v|1) + 6) / 7
}
