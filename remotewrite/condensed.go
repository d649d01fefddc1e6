// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"

	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// sendCondensed sends what is left of the batch: the groups that have no answer yet, at
// the time that was planned for them or, where that has become too old, later.
func (e *endpoint) sendCondensed(ctx context.Context, t *queue.Tick, done *tally) error {
	g, err := e.gather(ctx, t.Condensed)
	if err != nil {
		return err
	}
	for step := t.Condensed.Step; step < queue.CondenseSteps; {
		err := e.sendBarrier(ctx, t, g.group(e.requests[:0], step, t.At, e.samplesPerSend()), done)
		switch {
		case errors.Is(err, errOutOfWindow):
			if err := e.cursor.Restamp(ctx); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			step++
			e.cursor.Answered(step)
		}
	}
	e.settings.Load().metrics.condensedSeries.Add(float64(g.series))
	return nil
}

// gathered is what the groups of the batch are made of, and how many series end by it.
type gathered struct {
	known, began []queue.Block
	series       int
}

// group appends the requests of one group of the batch whose first is at time at. The
// order of the cases is what condensing rests on (condense.go).
func (f *gathered) group(dst []request, step int, at int64, limit int) []request {
	made := &repair{all: true, at: at + int64(step)}
	blocks := f.began
	switch step {
	case 0:
		blocks, made.as = f.known, asValue
	case 1:
		blocks, made.as = f.known, asStale
	case 2:
		made.as = asZero
	case queue.CondenseSums:
		made.as = asValue
	case 4:
		made.as = asStale
	}
	return appendRequests(dst, blocks, limit, made)
}
