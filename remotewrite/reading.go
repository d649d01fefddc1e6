// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// A disk that does not answer is asked again for a while before what lies there
// is given up: else an hour of ticks would be gone within a moment of trouble.
const (
	readPause   = time.Second
	readRetries = 60
)

// load returns the block with its bytes in data: as it is where it lies in
// memory, else read from disk into buf, which is returned to be used again.
func (b *block) load(buf []byte) (loaded block, _ []byte, err error) {
	if b.source == nil {
		return *b, buf, nil
	}
	buf = slices.Grow(buf[:0], b.size)[:b.size]
	if err := b.readFrom(b.source, buf); err != nil {
		return block{}, buf, fmt.Errorf("log: segment %s: %w", b.source.Name, err)
	}
	loaded = *b
	loaded.data = buf
	return loaded, buf, nil
}

// lasting says that reading again will not help: the bytes are not those that
// were written, or are gone.
func lasting(err error) bool {
	return errors.Is(err, disk.ErrDamaged) || errors.Is(err, errBlock) || errors.Is(err, fs.ErrNotExist)
}

// retryRead calls read until it succeeds, fails for good, or has failed for a
// minute; where the disk does not answer at all, nothing is known of what lies there,
// and the wait has no end. What is to be read is named by what.
func (c *cursor) retryRead(ctx context.Context, what string, read func() error) error {
	l := c.log
	for attempt := 0; ; attempt++ {
		c.pace.waits(0)
		err := read()
		if err == nil || l.store == nil {
			return err
		}
		if errors.Is(err, disk.ErrHangs) {
			attempt = 0
		}
		if lasting(err) || attempt == readRetries {
			l.store.damaged(l, what, err)
			return err
		}
		l.seldom.Warn("log cannot be read, will be tried again", "err", err)
		c.pace.waits(readPause)
		if err := pause(ctx, readPause, nil); err != nil {
			return err
		}
	}
}

// load reads the index of a tick that lies on disk. What cannot be read is
// returned as broken; the error is the context's.
func (c *cursor) load(ctx context.Context, t *loggedTick) (loaded *loggedTick, err error) {
	err = c.retryRead(ctx, damagedTick, func() (err error) {
		loaded, err = t.segment.load(t)
		return err
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		loaded = t.bare()
		loaded.broken = true
	}
	return loaded, nil
}

// damaged counts and logs what cannot be read.
func (s *store) damaged(l *Log, what string, err error) {
	s.metrics.corruptions.WithLabelValues(what).Inc()
	l.seldom.Error("log is damaged; what cannot be read is skipped", "what", what, "err", err)
}
