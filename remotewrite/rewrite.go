// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// rewritten is a tick as one endpoint is sent it, and how many samples of the
// original are not in it, by reason.
type rewritten struct {
	tick    *queue.Tick
	dropped map[string]int
}

// rewrite relabels a tick. An error means that the tick cannot be read.
func (r *rewriter) rewrite(t *queue.Tick) (out rewritten, err error) {
	r.claims.tick++
	defer func() {
		if err != nil {
			r.claims.tick-- // no series lost its name by missing a tick that could not be read
		}
	}()
	if r.past != nil {
		if r.past.last = t.After; !r.past.learned {
			if err := r.learn(t); err != nil && !queue.Lasting(err) {
				return out, err
			}
		}
	}
	out = rewritten{tick: &queue.Tick{Number: t.Number, At: t.At, FinalsAt: t.FinalsAt, Broken: t.Broken}, dropped: make(map[string]int)}
	if out.tick.Zeros, err = r.rewriteGroup(t.Zeros, out.dropped); err != nil {
		return out, err
	}
	if t.FinalsAt != 0 {
		// Before their stale markers, which free the names.
		if out.tick.Ends, err = r.rewriteGroup(t.Ends, make(map[string]int)); err != nil {
			return out, err
		}
	}
	if out.tick.Values, err = r.rewriteGroup(t.Values, out.dropped); err != nil {
		return out, err
	}
	for _, group := range [][]queue.Block{out.tick.Zeros, out.tick.Values} {
		for i := range group {
			out.tick.Samples += group[i].Samples
			out.tick.Stale += group[i].Stale
		}
	}
	r.past = nil
	r.claims.endFormer(t.At)
	r.forget()
	return out, nil
}

// rewriteGroup relabels the blocks of a group.
func (r *rewriter) rewriteGroup(blocks []queue.Block, dropped map[string]int) ([]queue.Block, error) {
	if err := r.each(blocks, func() error { return r.sample(dropped) }); err != nil {
		r.group.Discard()
		return nil, err
	}
	return queue.InMemory(r.group.Take()), nil
}

// sample relabels the reader's sample and adds it to the group.
func (r *rewriter) sample(dropped map[string]int) error {
	in := r.seriesKey()
	s, known := r.known[in]
	if !known {
		var err error
		if s, err = r.evaluate(); err != nil {
			return err
		}
		if len(r.known) < maxRenamed {
			r.known[in] = s
		}
	}
	s.seen = r.claims.tick
	reason, first := s.reason, !known
	at, start := r.reader.At, r.reader.Start
	if reason == "" {
		zero := start != 0 && start == at
		answer, moved := r.claims.take(s.out, in, r.key, at, zero, r.reader.Value == wire.StaleMarker)
		if answer == granted && zero && moved == 0 && r.mayHaveEnded(at) {
			moved = r.claims.move(s.out)
		}
		if start != 0 {
			start += moved
		}
		if zero {
			at += moved
		}
		switch answer {
		case refusedNow:
			reason, first = reasonCollision, true
		case refusedBefore:
			reason, first = reasonCollision, false
		}
	}
	if reason != "" {
		dropped[reason]++
		if first && reason != reasonDroppedSeries {
			r.lost(reason, wire.SeriesName(r.reader.Labels()), s.name())
		}
		return nil
	}
	r.group.Add(&s.set, s.metric, wire.Sample{Value: r.reader.Value, At: at, Start: start})
	return nil
}
