// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"math"

	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
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

// gatherer makes the blocks of the batch out of the ends of its ticks, named as the
// endpoint names its series. One goroutine uses it, for one batch.
//
// It reads the ends twice: first to learn which series ended more than once, then
// to write. So it holds some 50 bytes for a series, and not its labels.
type gatherer struct {
	condensed *queue.Condensed
	// series is what ended, by the name that it is sent under.
	series map[seriesKey]*ending
	// skipped are the ends that are not sent, counted in the order of the log.
	skipped map[int]bool
	dropped map[string]int // how many they are, by reason

	known, began wire.Builder
	written      int // series in both
}

// ending is how a series ended in the batch.
type ending struct {
	known bool // the receiver knew it from before
	left  int  // how many lives that began in what was skipped are still to come
	sum   float64
}

// gather reads what the batch is made of. What cannot be read is counted as lost.
// The error is the context's.
func (e *endpoint) gather(ctx context.Context, f *queue.Condensed) (out gathered, err error) {
	g := gatherer{
		condensed: f, series: make(map[seriesKey]*ending), skipped: make(map[int]bool), dropped: make(map[string]int),
	}
	var ticks []*queue.Tick
	for _, t := range f.Ticks {
		t, err := e.cursor.Load(ctx, t)
		if err != nil {
			return out, err
		}
		if t.Broken || !e.readable(ctx, t) {
			if ctx.Err() != nil {
				return out, ctx.Err()
			}
			e.loseEnds(t.Ended, t.EndedBytes, queue.ReasonUnreadable)
			continue
		}
		ticks = append(ticks, t)
	}
	if err := e.learn(ctx); err != nil {
		return out, err
	}
	for _, pass := range []func(n int, w *rewriter, s *renamed, at int64){g.count, g.write} {
		if err := e.eachEnd(ctx, ticks, pass); err != nil {
			return out, err
		}
	}
	out = gathered{queue.InMemory(g.known.Take()), queue.InMemory(g.began.Take()), g.written}
	metrics := e.settings.Load().metrics
	for reason, ends := range g.dropped {
		metrics.dropped(ends, 0, reason)
	}
	return out, nil
}

// readable loads the tick's ends into memory, if that can be done.
func (e *endpoint) readable(ctx context.Context, t *queue.Tick) bool {
	loaded := make([]queue.Block, len(t.Ends))
	var r wire.Reader
	for i := range t.Ends {
		err := e.cursor.Retry(ctx, queue.DamagedBlock, func() (err error) {
			if loaded[i], err = t.Ends[i].InMemory(); err == nil {
				err = r.Check(loaded[i].Data)
			}
			return err
		})
		if err != nil {
			return false
		}
	}
	t.Ends = loaded
	return true
}

// eachEnd calls f with the ends of ticks in order, numbered: what gives names at that
// time, with its reader at the end, what it makes of the series, and the tick's time.
func (e *endpoint) eachEnd(ctx context.Context, ticks []*queue.Tick, f func(n int, w *rewriter, s *renamed, at int64)) error {
	n := 0
	for _, t := range ticks {
		w := e.rewriterFor(t.Number)
		for i := range t.Ends {
			if err := ctx.Err(); err != nil {
				return err
			}
			e.deadline.Set(0)
			err := w.reader.Each(t.Ends[i].Data, func() error {
				s, err := w.lookUp()
				if err == nil {
					f(n, w, s, t.At)
					n++
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// count is the first pass.
func (g *gatherer) count(n int, w *rewriter, s *renamed, at int64) {
	r := &w.reader
	if s.reason != "" {
		g.skip(n, s.reason)
		return
	}
	if w.renames() {
		in := w.seriesKey()
		if answer, _ := w.claims.take(s.out, in, w.key, at, false, true); answer != granted {
			g.skip(n, reasonCollision)
			return
		}
	}
	known := g.series[s.out]
	if known == nil {
		known = &ending{}
		g.series[s.out] = known
	}
	switch {
	case r.Start >= g.condensed.Begun:
		known.left++
		known.sum += math.Float64frombits(r.Value)
	case known.known:
		g.skip(n, reasonCollision) // two series under one name
	default:
		known.known = true
	}
}

func (g *gatherer) skip(n int, reason string) {
	g.skipped[n] = true
	g.dropped[reason]++
}

// write is the second pass.
func (g *gatherer) write(n int, w *rewriter, s *renamed, at int64) {
	if g.skipped[n] {
		return
	}
	r := &w.reader
	if w.renames() {
		delete(w.claims.held, s.out) // what comes is later than the batch
	}
	value, group := r.Value, &g.known
	if r.Start >= g.condensed.Begun {
		known := g.series[s.out]
		if known.left--; known.left > 0 {
			return
		}
		value, group = math.Float64bits(known.sum), &g.began
	}
	group.Add(&s.set, s.metric, wire.Sample{Value: value, At: at, Start: r.Start})
	g.written++
}
