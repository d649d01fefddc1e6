// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// segment is a file of ticks. The log's lock guards what is not the file's own.
type segment struct {
	*disk.Segment
	last  uint64 // number of its last tick
	begun int64  // time of its first tick, ms
	size  int64
	// compacted: its ticks are.
	compacted bool
	// displaced: its name may be another file's by now. What is open stays so until
	// the segment is removed.
	displaced bool
	// refs is how many cursors hold a tick of it: so long it is not removed.
	refs int
}

// release ends a cursor's reference. The log's mu is held.
func (s *segment) release() {
	s.refs--
	if s.refs == 0 && !s.displaced {
		s.Close()
	}
}

// Block is a block in the log. Where segment is not nil, data is nil and on
// disk instead: size bytes from offset, with a checksum.
type Block struct {
	wire.Block
	segment *segment
	offset  int64
	size    int
	sum     uint32
}

// Load returns the block's data: what is in memory, else read from disk into buf,
// which is returned to be used again.
func (b *Block) Load(buf []byte) (data, kept []byte, err error) {
	if b.segment == nil {
		return b.Data, buf, nil
	}
	buf = slices.Grow(buf[:0], b.size)[:b.size]
	err = disk.ReadFull(b.segment, buf, b.offset)
	if err == nil && disk.Checksum(buf) != b.sum {
		err = fmt.Errorf("checksum: %w", disk.ErrDamaged)
	}
	if err != nil {
		return nil, buf, fmt.Errorf("log: segment %s: block: %w", b.segment.Name, err)
	}
	return buf, buf, nil
}

// InMemory returns a copy of the block whose data is in memory.
func (b *Block) InMemory() (Block, error) {
	data, _, err := b.Load(nil)
	c := Block{Block: b.Block}
	c.Data = data
	return c, err
}

// InMemory makes blocks that were just built part of a tick.
func InMemory(blocks []wire.Block) []Block {
	out := make([]Block, len(blocks))
	for i := range blocks {
		out[i].Block = blocks[i]
	}
	return out
}

// Lasting says that reading again will not help: the bytes are not those that
// were written, or are gone.
func Lasting(err error) bool {
	return errors.Is(err, disk.ErrDamaged) || errors.Is(err, wire.ErrBlock) || errors.Is(err, fs.ErrNotExist)
}
