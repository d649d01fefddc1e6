// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// past is what an endpoint's first rewriter has to know of the ticks before its
// own: of those that a former process sent, or that are older than the endpoint.
//
// A series that began before begun, and is not among those that were refused, holds
// its name; one that begins later does not get it, wherever it stands in its tick.
// For an endpoint that is new, and where what was refused is not known, several can
// have begun before under one name: then the one that began first holds it.
type past struct {
	begun   int64         // see cursor
	refused *queue.Hashes // after the tick before resumed
	resumed uint64        // see cursor
	last    int64         // time of the tick before the first that is rewritten
	// since is when the holder of a name began; learned: all holders are known.
	since   map[seriesKey]int64
	learned bool
}

// past returns that of the endpoint's cursor.
func (e *endpoint) past() *past {
	known := e.cursor.Past()
	return &past{begun: known.Begun, refused: known.Hashes, resumed: known.Resumed, since: make(map[seriesKey]int64)}
}

// apply gives the past to the first rewriter, nil: there is none. What was refused
// was so under the names of that time.
func (p *past) apply(r *rewriter, sameNames func(tick uint64) bool) {
	if r == nil {
		return
	}
	r.past = p
	if p.refused == nil || !sameNames(p.resumed-1) {
		return
	}
	r.claims.snapshot, r.claims.patient = p.refused, true
	r.claims.former = make(map[queue.Hash]bool, len(p.refused.List))
	for _, hash := range p.refused.List {
		r.claims.former[hash] = true
	}
}

// learn finds out from a tick who holds names.
func (r *rewriter) learn(t *queue.Tick) error {
	for _, blocks := range [][]queue.Block{t.Values, t.Ends} {
		for i := range blocks {
			data, raw, err := blocks[i].Load(r.raw)
			r.raw = raw
			if err == nil {
				err = r.reader.Reset(data)
			}
			for ok := err == nil; ok; {
				if ok, err = r.reader.Next(); ok && err == nil {
					err = r.learnSample()
				}
			}
			if err != nil {
				return err
			}
		}
	}
	r.past.learned = !t.Compacted
	return nil
}

// learnSample does so from the reader's sample. A stale marker does not say when its
// series began, nor does a gauge; an ended counter is among the ends as well.
func (r *rewriter) learnSample() error {
	start := r.reader.Start
	if start >= r.past.begun || r.reader.Value == wire.StaleMarker {
		return nil
	}
	in := r.seriesKey()
	if _, refused := r.claims.refused[in]; refused || len(r.claims.former) > 0 && r.claims.former[queue.HashOf(r.key)] {
		return nil
	}
	s, err := r.lookUp()
	if err != nil || s.reason != "" || s.metric.Type == wire.Gauge {
		return err
	}
	if since, ok := r.past.since[s.out]; !ok || start < since {
		r.past.since[s.out] = start
		r.claims.held[s.out] = claim{holder: in, last: queue.Never, seen: r.tick}
	}
	return nil
}

// learn finds out which series held names before the batch that is next, whose ticks are
// read for their ends only. Those of them that are still live are in the first whole tick.
func (e *endpoint) learn(ctx context.Context) error {
	ticks, release := e.cursor.Ahead()
	defer release()
	for _, t := range ticks {
		r := e.rewriterFor(t.Number)
		if r == nil || r.past == nil || r.past.learned {
			return nil
		}
		t, err := e.cursor.Load(ctx, t)
		if err != nil {
			return err
		}
		if t.Broken {
			continue
		}
		// What cannot be read says nothing.
		_ = e.cursor.Retry(ctx, queue.DamagedBlock, func() error { return r.learn(t) })
	}
	return ctx.Err()
}

// mayHaveEnded says whether the reader's counter, which begins at the time of the last
// tick of a former process, may do so where another series of its name ended: that is
// not remembered.
func (r *rewriter) mayHaveEnded(at int64) bool {
	return r.past != nil && r.past.resumed != 0 && at == r.past.last && r.merges()
}

// merges says whether the reader's series may get the name of another.
func (r *rewriter) merges() bool {
	for _, rule := range r.rules {
		switch rule.Action {
		case relabel.Keep, relabel.Drop, relabel.KeepEqual, relabel.DropEqual:
		default:
			return true
		}
	}
	for _, have := range r.reader.Labels() {
		if slices.ContainsFunc(r.external, func(l wire.Label) bool { return l.Name == have.Name }) {
			return true
		}
	}
	return false
}

// refusedAfter returns what is refused after the held tick.
func (e *endpoint) refusedAfter(t *queue.Tick) *queue.Hashes {
	r := e.rewriterFor(t.Number)
	if r == nil {
		return nil
	}
	e.settings.Load().metrics.unremembered.Add(float64(r.claims.forgotten))
	r.claims.forgotten = 0
	return r.claims.remember(true)
}
