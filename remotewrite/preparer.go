// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"math"
	"slices"
)

// preparer feeds the samples of a block to a writer1 as they come.
type preparer struct {
	writer  writer1
	buf     []byte // the writer's
	version uint64 // of the set that refs are of, and its layout
	layout  uint64
	refs    []uint32
	// nameAt is where in refs, in pairs, the metric's name is, and pairs where each of
	// the set's labels.
	nameAt int
	pairs  []int
}

// begin begins a block.
func (p *preparer) begin() {
	p.writer.begin(p.buf, p.writer.symbols[:0])
	p.version, p.layout = 0, math.MaxUint64 // none
}

// add adds a sample.
func (p *preparer) add(set *encodedSet, symbols *symbolTable, m *metricRefs, value uint64, at int64) error {
	for n := len(p.writer.symbols); n < len(symbols.spans); n++ {
		p.writer.add(symbols.led(uint32(n)))
	}
	if p.version != set.version {
		p.turn(set)
	}
	if i := 2 * p.nameAt; p.refs[i] != m.nameRef || p.refs[i+1] != m.valueRef {
		p.refs[i], p.refs[i+1] = m.nameRef, m.valueRef
		p.writer.differ(p.nameAt, p.nameAt+1)
	}
	if math.Float64frombits(value) == 0 {
		value = 0 // protobuf leaves it out; -0 is zero to it
	}
	return p.writer.write(p.refs, value, at)
}

// turn goes over to another set.
func (p *preparer) turn(set *encodedSet) {
	p.version = set.version
	if p.layout == set.layout {
		for i := set.from; i < set.to; i++ {
			if set.labels[i].Value != "" {
				p.refs[2*p.pairs[i]+1] = set.labels[i].value
			}
		}
		if set.from < set.to {
			p.writer.differ(p.pairs[set.from], p.pairs[set.to-1]+1)
		}
		return
	}
	p.layout = set.layout
	p.refs, p.pairs = p.refs[:0], p.pairs[:0]
	for i := range set.labels {
		if i == set.nameAt {
			p.nameAt = len(p.refs) / 2
			p.refs = append(p.refs, 0, 0)
		}
		l := &set.labels[i]
		p.pairs = append(p.pairs, len(p.refs)/2)
		if l.Value != "" {
			p.refs = append(p.refs, l.name, l.value)
		}
	}
	if set.nameAt >= len(set.labels) {
		p.nameAt = len(p.refs) / 2
		p.refs = append(p.refs, 0, 0)
	}
	p.writer.differ(0, len(p.refs)/2)
}

// end returns the block's body.
func (p *preparer) end() []byte {
	body, buf := p.writer.end()
	p.buf = buf
	return slices.Clone(body)
}
