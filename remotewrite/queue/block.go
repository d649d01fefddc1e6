// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// A disk that does not answer is asked again for a while before what is stored there
// is given up: else an hour of ticks would be gone within a moment of trouble.
const (
	readPause   = time.Second
	readRetries = 60
)

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
	if err := b.readFrom(b.segment, buf); err != nil {
		return nil, buf, fmt.Errorf("log: segment %s: %w", b.segment.Name, err)
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

// readFrom reads a block's data from a segment into b, which has its size.
func (b *Block) readFrom(r io.ReaderAt, into []byte) error {
	if err := disk.ReadFull(r, into, b.offset); err != nil {
		return fmt.Errorf("block: %w", err)
	}
	if disk.Checksum(into) != b.sum {
		return fmt.Errorf("block: checksum: %w", disk.ErrDamaged)
	}
	return nil
}

// Lasting says that reading again will not help: the bytes are not those that
// were written, or are gone.
func Lasting(err error) bool {
	return errors.Is(err, disk.ErrDamaged) || errors.Is(err, wire.ErrBlock) || errors.Is(err, fs.ErrNotExist)
}

// Retry calls read until it succeeds, fails for good, or has failed for a
// minute; where the disk does not answer at all, nothing is known of what is stored there,
// and the wait has no end. What is to be read is named by what.
func (c *Cursor) Retry(ctx context.Context, what string, read func() error) error {
	l := c.log
	for attempt := 0; ; attempt++ {
		c.OnWait(0)
		err := read()
		if err == nil || l.store == nil {
			return err
		}
		if errors.Is(err, disk.ErrHangs) {
			attempt = 0
		}
		if Lasting(err) || attempt == readRetries {
			l.store.damaged(l, what, err)
			return err
		}
		l.seldom.Warn("log cannot be read, will be tried again", "err", err)
		c.OnWait(readPause)
		select {
		case <-time.After(readPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Load reads the index of a tick that is on disk. What cannot be read is
// returned as broken; the error is the context's.
func (c *Cursor) Load(ctx context.Context, t *Tick) (loaded *Tick, err error) {
	if t.segment == nil {
		return t, nil
	}
	err = c.Retry(ctx, damagedTick, func() (err error) {
		loaded, err = t.segment.load(t)
		return err
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		loaded = t.bare()
		loaded.Broken = true
	}
	return loaded, nil
}

// damaged counts and logs what cannot be read.
func (s *store) damaged(l *Log, what string, err error) {
	s.metrics.corruptions.WithLabelValues(what).Inc()
	l.seldom.Error("log is damaged; what cannot be read is skipped", "what", what, "err", err)
}
