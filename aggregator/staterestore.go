// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"errors"
	"fmt"
	"io"

	"github.com/skydive-project/skybridge/disk"
)

// Restore gives an aggregator the state of a [Snapshot], whose blocks next returns in their
// order, and then [io.EOF]. The aggregator must be new, and of the configuration that the
// snapshot was made with. Scrapes then show the latest tick. A block is of no use to it after
// the next call.
//
// An error wraps [disk.ErrDamaged], [disk.ErrNewer], or is that of next. The aggregator is of no
// use then.
func (a *Aggregator) Restore(next func() (block []byte, err error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := stateCoder{}
	s.of(a)
	for n := 0; ; n++ {
		block, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		s.in.Rest = block
		if n == 0 {
			s.head()
		}
		for len(s.in.Rest) > 0 && !s.in.Bad {
			s.decodeChunk()
		}
		switch {
		case s.newer:
			return fmt.Errorf("aggregator: state: %w", disk.ErrNewer)
		case s.in.Bad:
			return fmt.Errorf("aggregator: block %d of the state: %w", n, disk.ErrDamaged)
		}
	}
	for _, p := range s.sections {
		s.require(p.count == p.chunks())
	}
	if s.in.Bad || len(s.sections) == 0 {
		return fmt.Errorf("aggregator: the state is incomplete: %w", disk.ErrDamaged)
	}
	if contradiction := s.link(); contradiction != "" {
		return fmt.Errorf("aggregator: the state contradicts itself: %s: %w", contradiction, disk.ErrDamaged)
	}
	return nil
}

func (s *stateCoder) decodeChunk() {
	kind, chunk := s.in.Byte(), uint32(0)
	if unsigned(&s.coder, &chunk); kind == 0 || int(kind) > len(s.sections) {
		s.in.Bad = true
		return
	}
	p := s.sections[kind-1]
	if s.require(chunk < p.chunks() && p.done.add(chunk)); !s.in.Bad {
		p.count++
		p.walkChunk(chunk)
	}
}
