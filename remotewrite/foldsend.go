// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
)

// sendFold sends what is left of a fold: the groups that have no answer yet, at
// the time that was planned for them or, where that has become too old, later.
func (e *endpoint) sendFold(ctx context.Context, t *loggedTick, done *tally) error {
	g, err := e.gather(ctx, t.fold)
	if err != nil {
		return err
	}
	for step := t.fold.step; step < foldSteps; {
		err := e.sendBarrier(ctx, t, g.group(e.requests[:0], step, t.at, e.samplesPerSend()), done)
		switch {
		case errors.Is(err, errOutOfWindow):
			if err := e.cursor.restamp(ctx); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			step++
			e.cursor.answered(step)
		}
	}
	e.settings.Load().metrics.condensedSeries.Add(float64(g.series))
	return nil
}

// gathered is what the groups of a fold are made of, and how many series end by it.
type gathered struct {
	known, began []storedBlock
	series       int
}

// group appends the requests of one group of a fold whose first is at time at. The
// order of the cases is what folding rests on (fold.go).
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
	case foldSums:
		made.as = asValue
	case 4:
		made.as = asStale
	}
	return appendRequests(dst, blocks, limit, made)
}
