// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"maps"
	"slices"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/aggregator/sketch"
	"github.com/skydive-project/skybridge/input"
)

// StateVersion is the version of the blocks of a [Snapshot].
//
// A block is a sequence of items, each a kind u8 and what follows by kind. The first item of
// the first block is the head (kind 0): the version uvarint and what is small, as
// [stateCoder.head] walks over it, the sizes of all sections among that. The others are
// chunks: the number of the chunk uvarint, then its chunkRecords records, those of the last
// chunk of a section fewer. Kinds 1 and up are the sections, in the order of [stateCoder.of].
// Each chunk of each section is there once; those of slabs are in no order, the others in
// theirs.
//
// Numbers are uvarints, or varints where they can be negative; hashes and UUIDs are 8 bytes,
// little-endian; up to 8 flags are a byte; a text is its length as uvarint and its bytes. What
// can be calculated from the rest is not written.
const StateVersion = 1

const (
	// chunkRecords is how many records are encoded at a time where one of them is about to
	// change. A message of 256 updates may change records in a thousand chunks, and waits
	// until all of these are encoded: at most 3 ms with 8 records, 1.8 ms with 4 (measured
	// with 50,000 connections and twice as many baselines).
	chunkRecords = 4
	// maxSection bounds the records of a section that is decoded.
	maxSection = 1 << 28
)

// section is a list of the state that is encoded in chunks.
type section struct {
	kind  byte
	size  uint32
	walk  func(i uint32) // over record i
	done  bitset         // chunks that were encoded or decoded
	count uint32         // of the chunks that were decoded
	next  uint32         // the first chunk that may not have been encoded
	now   bool           // its records change: encode all at the cut
	coder *stateCoder
	// watch has a slab encode records before they change; nil: they do not change.
	watch func(*section)
}

func (p *section) chunks() uint32 { return (p.size + chunkRecords - 1) / chunkRecords }

// saveFirst encodes the chunk of record i, which is about to change, unless that was done or
// the record came after the cut.
func (p *section) saveFirst(i uint32) {
	if i < p.size && p.done.add(i/chunkRecords) {
		p.coder.chunk(p, i/chunkRecords)
	}
}

// walkChunk walks over the records of a chunk.
func (p *section) walkChunk(chunk uint32) {
	for i := chunk * chunkRecords; i < min(p.size, (chunk+1)*chunkRecords) && !p.coder.in.Bad; i++ {
		p.walk(i)
	}
}

// stateCoder encodes or decodes all that decides on later samples. Neither metrics nor rates
// are part of it, nor what the configuration decides.
type stateCoder struct {
	coder
	a           *Aggregator
	connections *connections // those of the cut
	latest      int          // which of the samples are of the latest tick
	sections    []*section
	chunk       func(*section, uint32) // encodes one
	newer       bool                   // what is decoded is of a newer version
	finish      []func()               // makes the lists of free records

	// Copies of what has no slab, or what was decoded of it.
	held      []heldRecord
	listeners []label.Listener
	hand      int // of the listeners
	// The names.
	nodeNames    label.NameState[label.NodeNames]
	addressNames label.NameState[string]

	interfaces []interfaceState
	packets    []namedPackets
	othersSize int // of the ranking's sketch
	others     []sketch.Counter
	promised   []uint64
	isRanked   bool // the next tick has a result of the ranking:
	result     rankingResult
}

// heldRecord is a record that waits for a pending step. Held records do not change.
type heldRecord struct {
	origin uint32
	flow   *input.Flow
}

type namedPackets struct {
	id string
	packetCounts
}

// of makes the sections of an aggregator; what is large and has no slab is copied.
func (s *stateCoder) of(a *Aggregator) {
	s.a, s.connections = a, a.connections
	t := a.top
	if t == nil {
		t = &top{}
	}
	if s.isRanked = t.result != nil; s.isRanked {
		s.result = *t.result
	}
	if s.encoding {
		s.latest = a.samples.latest
		s.copy(a, t)
	}
	slabSections(s, &a.origins.nodes.records, s.node)
	slabSections(s, &a.origins.records, s.origin)
	slabSections(s, &a.baselines.records, s.baseline)
	slabSections(s, &a.shared.records, s.shared)
	slabSections(s, &a.connections.records, s.connection)
	slabSections(s, &a.known.records, s.portless)
	slabSections(s, &t.windows, func(_ uint32, n *uint64) { unsigned(&s.coder, n) })
	if p := listSection(s, &s.held, s.heldRecord); s.encoding { // collected as their origins are encoded
		p.size, p.walk = uint32(a.held), func(i uint32) { s.heldRecord(&s.held[i]) }
	}
	listSection(s, &a.connections.leaving, s.departure)
	listSection(s, &a.connections.ended, s.departure)
	listSection(s, &a.tags.list, func(t *tag) { signed(&s.coder, &t.vlan, &t.vni) })
	listSection(s, &s.listeners, func(l *label.Listener) { s.text(&l.Key); s.flags(&l.Used) })
	listSection(s, &s.nodeNames.All, func(n *label.Slot[label.NodeNames]) {
		s.name(&n.Key, &n.Used, &n.Old, &n.Value.Name, &n.Value.Host, &n.Value.Type)
	})
	listSection(s, &s.addressNames.All, func(n *label.Slot[string]) { s.name(&n.Key, &n.Used, &n.Old, &n.Value) })
	listSection(s, &s.interfaces, s.networkInterface)
	listSection(s, &a.captures.list, s.capture).now = true
	listSection(s, &s.packets, s.packetsOf).now = true
	listSection(s, &s.others, func(n *sketch.Counter) { hash(&s.coder, &n.ID); unsigned(&s.coder, &n.Bytes, &n.Error) })
	listSection(s, &s.promised, func(id *uint64) { hash(&s.coder, id) })
	listSection(s, &s.result.promised, func(id *uint64) { hash(&s.coder, id) })
	listSection(s, &s.result.losers, func(l *candidate) {
		unsigned(&s.coder, &l.i)
		s.text(&l.values)
		unsigned(&s.coder, &l.bytes)
	})
}

// copy copies what changes and is not encoded at the cut.
func (s *stateCoder) copy(a *Aggregator, t *top) {
	listeners, hand := a.listeners.State()
	s.listeners, s.hand = slices.Clone(listeners), hand
	s.nodeNames, s.addressNames = a.names.State()
	s.nodeNames.All, s.addressNames.All = slices.Clone(s.nodeNames.All), slices.Clone(s.addressNames.All)
	s.interfaces = make([]interfaceState, len(a.interfaces.list))
	for i, p := range a.interfaces.list {
		s.interfaces[i] = *p
	}
	for _, id := range slices.Sorted(maps.Keys(a.captures.packets)) {
		s.packets = append(s.packets, namedPackets{id, *a.captures.packets[id]})
	}
	if t.others != nil {
		var others []sketch.Counter
		s.othersSize, others = t.others.State()
		s.others = slices.Clone(others)
	}
	s.promised, s.result.promised = slices.Clone(t.promised), slices.Clone(s.result.promised)
}

// add adds a section.
func (s *stateCoder) add(p *section) *section {
	s.sections = append(s.sections, p)
	p.kind, p.coder = byte(len(s.sections)), s
	return p
}

// slabSections adds those of a slab's records and of its free ones.
func slabSections[T any](s *stateCoder, all *slab[T], walk func(i uint32, r *T)) {
	p := s.add(&section{size: all.size, watch: func(p *section) { all.section = p }})
	p.walk = func(i uint32) {
		if !s.encoding {
			all.place(i)
		}
		walk(i, all.peek(i))
	}
	free := all.free // at the cut; its entries are encoded before they are replaced
	if s.encoding {
		p := s.add(&section{size: uint32(len(free)), watch: func(p *section) { all.freeSection = p }})
		p.walk = func(i uint32) { unsigned(&s.coder, &free[i]) }
		return
	}
	restored := &slab[uint32]{}
	s.add(&section{}).walk = func(i uint32) { unsigned(&s.coder, restored.place(i)) }
	s.finish = append(s.finish, func() {
		for i := range restored.size {
			all.free = append(all.free, *restored.peek(i))
		}
	})
}

// listSection adds the section of a list that does not change before it is encoded, or to
// which something is only appended.
func listSection[T any](s *stateCoder, all *[]T, walk func(*T)) *section {
	p := s.add(&section{size: uint32(len(*all))})
	if now := *all; s.encoding {
		p.walk = func(i uint32) { walk(&now[i]) }
		return p
	}
	p.walk = func(i uint32) {
		var v T
		walk(&v)
		s.require(int(i) == len(*all))
		*all = append(*all, v)
	}
	return p
}
