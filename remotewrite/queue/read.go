// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"errors"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// A disk that does not answer is asked again for a while before what is stored there
// is given up: else an hour of ticks would be gone within a moment of trouble.
const (
	readPause   = time.Second
	readRetries = 60
)

// Retry calls read until it succeeds, fails for good, or has failed for a
// minute; where the disk does not answer at all, nothing is known of what is stored there,
// and the wait has no end. What is to be read is named by what.
func (c *Cursor) Retry(ctx context.Context, what string, read func() error) error {
	l := c.log
	for attempt := 0; ; attempt++ {
		c.deadline.Set(0)
		err := read()
		if err == nil || l.store == nil {
			return err
		}
		if errors.Is(err, disk.ErrHangs) {
			attempt = 0
		}
		if Lasting(err) || attempt == readRetries {
			l.store.damaged(what, err)
			return err
		}
		l.seldom.Warn("log cannot be read, will be tried again", "err", err)
		c.deadline.Set(readPause)
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
		loaded, err = t.load()
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

// Ahead returns the ticks from the next on up to the first that is whole. They can
// be read until release is called.
func (c *Cursor) Ahead() (ticks []*Tick, release func()) {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.ticks[l.index(c.next):] {
		if t.gone != "" || t.Broken {
			continue
		}
		ticks = append(ticks, t)
		if t.segment != nil {
			t.segment.refs++
		}
		if !t.Compacted {
			break
		}
	}
	return ticks, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, t := range ticks {
			if t.segment != nil {
				t.segment.release()
			}
		}
	}
}
