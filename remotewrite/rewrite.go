// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// rewrite relabels a tick. It returns how many samples of it are not in the result, by
// reason. An error means that the tick cannot be read.
func (r *rewriter) rewrite(t *queue.Tick) (out *queue.Tick, dropped map[string]int, err error) {
	r.claims.tick++
	defer func() {
		if err != nil {
			r.claims.tick-- // no series lost its name by missing a tick that could not be read
		}
	}()
	if r.past != nil {
		if r.past.last = t.After; !r.past.learned {
			if err := r.learn(t); err != nil && !queue.Lasting(err) {
				return nil, nil, err
			}
		}
	}
	dropped = make(map[string]int)
	out = &queue.Tick{Number: t.Number, At: t.At, Gap: t.Gap, FinalsAt: t.FinalsAt}
	if out.Zeros, err = r.rewriteGroup(t.Zeros, dropped); err != nil {
		return nil, nil, err
	}
	if t.FinalsAt != 0 {
		// Before their stale markers, which free the names.
		if out.Ends, err = r.rewriteGroup(t.Ends, make(map[string]int)); err != nil {
			return nil, nil, err
		}
	}
	if out.Values, err = r.rewriteGroup(t.Values, dropped); err != nil {
		return nil, nil, err
	}
	for _, group := range [][]queue.Block{out.Zeros, out.Values} {
		for i := range group {
			out.Samples += group[i].Samples
			out.Stale += group[i].Stale
		}
	}
	r.past = nil
	r.claims.endFormer(t.At)
	r.forget()
	return out, dropped, nil
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
