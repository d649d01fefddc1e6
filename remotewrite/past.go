// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"slices"

	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// learn finds out from a tick who holds names.
func (r *rewriter) learn(t *queue.Tick) error {
	for _, blocks := range [][]queue.Block{t.Values, t.Ends} {
		if err := r.each(blocks, r.learnSample); err != nil {
			return err
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
	if h, ok := r.claims.held[s.out]; !ok || start < h.began {
		r.claims.held[s.out] = claim{holder: in, began: start, last: queue.Never, seen: r.claims.tick}
	}
	return nil
}

// mayHaveEnded says whether the reader's counter, which begins at the time of the last
// tick of a former process, may do so where another series of its name ended: that is
// not remembered.
func (r *rewriter) mayHaveEnded(at int64) bool {
	return r.past != nil && r.past.resumed != 0 && at == r.past.last && r.merges()
}

// merges says whether the reader's series may get the name of another.
func (r *rewriter) merges() bool {
	for _, rule := range r.WriteRelabelConfigs {
		switch rule.Action {
		case relabel.Keep, relabel.Drop, relabel.KeepEqual, relabel.DropEqual:
		default:
			return true
		}
	}
	for _, have := range r.reader.Labels() {
		if slices.ContainsFunc(r.ExternalLabels, func(l wire.Label) bool { return l.Name == have.Name }) {
			return true
		}
	}
	return false
}
