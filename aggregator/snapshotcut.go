// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// blockBytes is about how large a block is that has what was about to change.
const blockBytes = 64 << 10

// Snapshot is the state of an [Aggregator] at one moment, which is encoded while inputs are
// applied: what is about to change first, in the order in which it changes, the rest when
// [Snapshot.Next] comes to it.
type Snapshot struct {
	state stateCoder
	next  int      // the first section that may not be complete
	full  [][]byte // complete blocks
}

// BeginSnapshot begins a snapshot of the state as it is now. It returns nil where a tick is
// being sampled, or another snapshot has not ended: it must not run together with an input.
func (a *Aggregator) BeginSnapshot() *Snapshot {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sampling || a.snapshot != nil {
		return nil
	}
	s := &Snapshot{}
	s.state.encoding, s.state.chunk = true, s.encode
	s.state.of(a)
	s.state.head()
	for _, p := range s.state.sections {
		for chunk := uint32(0); p.now && chunk < p.chunks(); chunk++ {
			p.saveFirst(chunk * chunkRecords)
		}
		if p.watch != nil {
			p.watch(p)
		}
	}
	a.snapshot = s
	return s
}

// encode appends a chunk.
func (s *Snapshot) encode(p *section, chunk uint32) {
	c := &s.state
	if len(c.out) >= blockBytes {
		s.endBlock()
	}
	if c.out == nil {
		c.out = make([]byte, 0, blockBytes+blockBytes/4)
	}
	c.out = append(c.out, p.kind)
	unsigned(&c.coder, &chunk)
	p.walkChunk(chunk)
}

// Next encodes the next part of the state and returns its block, which the caller owns. It takes
// the aggregator's lock for about 50 µs. Not ok: that was all, and the snapshot has ended.
func (s *Snapshot) Next() (block []byte, ok bool) {
	a := s.state.a
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(s.full) == 0 {
		for n := 0; n < batch && s.encodeNext(); n += chunkRecords {
		}
		s.endBlock()
	}
	if len(s.full) == 0 {
		s.end()
		return nil, false
	}
	block, s.full = s.full[0], s.full[1:]
	return block, true
}

func (s *Snapshot) endBlock() {
	if len(s.state.out) > 0 {
		s.full, s.state.out = append(s.full, s.state.out), nil
	}
}

// encodeNext encodes the next chunk that was not encoded, and reports whether there was one.
func (s *Snapshot) encodeNext() bool {
	for ; s.next < len(s.state.sections); s.next++ {
		p := s.state.sections[s.next]
		for ; p.next < p.chunks(); p.next++ {
			if !p.done.has(p.next) {
				p.saveFirst(p.next * chunkRecords)
				return true
			}
		}
	}
	return false
}

// Abandon ends a snapshot of which no more is needed. It does nothing to one that has ended.
func (s *Snapshot) Abandon() {
	s.state.a.mu.Lock()
	defer s.state.a.mu.Unlock()
	s.end()
}

func (s *Snapshot) end() {
	for _, p := range s.state.sections {
		if p.watch != nil {
			p.watch(nil)
		}
	}
	if s.state.a.snapshot == s {
		s.state.a.snapshot = nil
	}
	*s = Snapshot{state: stateCoder{a: s.state.a}}
}
