// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"math"

	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// gatherer makes the blocks of the batch out of the ends of its ticks, named as the
// endpoint names its series. One goroutine uses it, for one batch.
//
// It reads the ends twice: first to learn which series ended more than once, then
// to write. So it holds some 50 bytes for a series, and not its labels.
type gatherer struct {
	condensed *queue.Condensed
	seeds     [2]maphash.Seed
	key       []byte

	// series is what ended, by the name that it is sent under.
	series map[seriesKey]*ending
	// skipped are the ends that are not sent, counted in the order of the log.
	skipped map[int]bool
	dropped map[string]int // how many they are, by reason

	known, began wire.Builder
}

// ending is how a series ended in the batch.
type ending struct {
	known bool // the receiver knew it from before
	left  int  // how many lives that began in what was skipped are still to come
	sum   float64
}

// logged is one end, as the log has it. What it refers to is valid until the next.
type logged struct {
	series  *renamed
	rewrite *rewriter // whose reader is at it
	at      int64     // time of the tick
}

// gather reads what the batch is made of. What cannot be read is counted as lost.
// The error is the context's.
func (e *endpoint) gather(ctx context.Context, f *queue.Condensed) (out gathered, err error) {
	g := gatherer{
		condensed: f, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		series: make(map[seriesKey]*ending), skipped: make(map[int]bool), dropped: make(map[string]int),
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
	for _, pass := range []func(n int, it logged){g.count, g.write} {
		if err := e.eachEnd(ctx, ticks, pass); err != nil {
			return out, err
		}
	}
	out.known, out.began = queue.InMemory(g.known.Take()), queue.InMemory(g.began.Take())
	for _, group := range [][]queue.Block{out.known, out.began} {
		for i := range group {
			out.series += group[i].Samples
		}
	}
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

// eachEnd calls f with the ends of ticks in order, numbered, in their names of
// that time.
func (e *endpoint) eachEnd(ctx context.Context, ticks []*queue.Tick, f func(n int, it logged)) error {
	n := 0
	for _, t := range ticks {
		w := e.naming(t.Number)
		for i := range t.Ends {
			if err := ctx.Err(); err != nil {
				return err
			}
			e.deadline.Set(0)
			if err := w.reader.Reset(t.Ends[i].Data); err != nil {
				return err // it was checked
			}
			for {
				ok, err := w.reader.Next()
				if err != nil {
					return err
				}
				if !ok {
					break
				}
				s, err := w.lookUp()
				if err != nil {
					return err
				}
				f(n, logged{series: s, rewrite: w, at: t.At})
				n++
			}
		}
	}
	return nil
}

// naming returns the rewriter of the tick number seq: one that changes nothing
// where the endpoint takes the series as they are in the log.
func (e *endpoint) naming(seq uint64) *rewriter {
	w := e.rewriterFor(seq)
	if w == nil {
		if e.plain == nil {
			e.plain = makeRewriter(&EndpointConfig{}, e.lost)
		}
		w = e.plain
	}
	return w
}

// lookUp returns what the reader's series is called, without remembering it: it
// has ended.
func (r *rewriter) lookUp() (*renamed, error) {
	if s, ok := r.known[r.seriesKey()]; ok {
		return s, nil
	}
	return r.evaluate()
}

// count is the first pass.
func (g *gatherer) count(n int, it logged) {
	s, r := it.series, &it.rewrite.reader
	if s.reason != "" {
		g.skip(n, s.reason)
		return
	}
	if it.rewrite.renames() {
		in := it.rewrite.seriesKey()
		if answer, _ := it.rewrite.claims.take(s.out, in, it.rewrite.key, it.at, false, true, it.rewrite.tick); answer != granted {
			g.skip(n, reasonCollision)
			return
		}
	}
	key := g.keyOf(s)
	known := g.series[key]
	if known == nil {
		known = &ending{}
		g.series[key] = known
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
func (g *gatherer) write(n int, it logged) {
	if g.skipped[n] {
		return
	}
	s, r := it.series, &it.rewrite.reader
	if it.rewrite.renames() {
		delete(it.rewrite.claims.held, s.out) // what comes is later than the batch
	}
	value, group := r.Value, &g.known
	if r.Start >= g.condensed.Begun {
		known := g.series[g.keyOf(s)]
		if known.left--; known.left > 0 {
			return
		}
		value, group = math.Float64bits(known.sum), &g.began
	}
	group.Add(&s.set, s.metric, wire.Sample{Value: value, At: it.at, Start: r.Start})
}

// keyOf is the key of a series by its name, whichever rewriter gave it.
func (g *gatherer) keyOf(s *renamed) seriesKey {
	add := func(text string) {
		g.key = binary.AppendUvarint(g.key, uint64(len(text)))
		g.key = append(g.key, text...)
	}
	g.key = g.key[:0]
	add(s.metric.Name)
	for _, l := range s.set.Labels() {
		add(l.Name)
		add(l.Value)
	}
	return seriesKey{maphash.Bytes(g.seeds[0], g.key), maphash.Bytes(g.seeds[1], g.key)}
}
