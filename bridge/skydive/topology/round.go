// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
)

// maxDelay is how long an analyzer that does not answer is left alone at
// most, but for a refresh interval that is longer.
const maxDelay = 5 * time.Minute

// round asks every analyzer whose turn it is, all at once, and reports what came of
// it.
func (t *Topology) round(ctx context.Context, sink Sink) {
	var asking sync.WaitGroup
	var mu sync.Mutex
	answers := map[*source]*answer{}
	now := time.Now()
	for _, s := range t.sources { // only this goroutine changes them
		if s.due.After(now) {
			continue
		}
		asking.Go(func() {
			a, err := t.question(ctx, s)
			if ctx.Err() != nil {
				return
			}
			t.answered(s, a, err)
			if err == nil {
				mu.Lock()
				answers[s] = a
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	if ctx.Err() != nil || len(answers) == 0 {
		return
	}
	fresh, kept := t.take(answers)
	skipped := t.graph.combine(ctx, fresh, kept)
	holders := t.graph.holders(ctx)
	addresses := holders.names(ctx)
	if ctx.Err() != nil {
		return // these are not all
	}
	nodes := t.graph.byTID()
	rows, more, cut := interfaces(nodes, t.inUse.CacheSize)
	t.metrics.cut.Add(float64(cut + holders.cut))
	t.metrics.ifaces.Set(float64(len(rows)))

	table := make(map[string]aggregator.NodeNames, len(nodes))
	for tid, h := range nodes {
		table[tid] = aggregator.NodeNames{Name: h.node.name, Host: h.node.host, Type: h.node.kind}
	}
	at := time.Now()
	t.nodes.refresh(table, at)
	t.addresses.refresh(addresses, at)
	t.metrics.evicted.WithLabelValues(nameAddress).Add(float64(holders.over))

	malformed := 0
	for _, a := range fresh {
		malformed += a.malformed
	}
	t.metrics.skipped.WithLabelValues(nodeMalformed).Add(float64(malformed))
	t.metrics.skipped.WithLabelValues(nodeLimit).Add(float64(skipped + more))
	sink.SetCaptures(captures(nodes))
	sink.SetInterfaces(rows) // last: who sees them finds their names
	if malformed+skipped+more == 0 {
		return
	}
	t.seldom.Warn("some nodes of the topology do not count: they are malformed, or there are more than topology.cache_size has room for",
		"malformed", malformed, "too_many", skipped+more)
}

// take notes the answers of a round, and returns them and the latest ones of the
// analyzers that did not answer.
func (t *Topology) take(answers map[*source]*answer) (fresh, kept []*answer) {
	for _, s := range t.sources {
		if a := answers[s]; a != nil {
			fresh = append(fresh, a)
		} else if s.answer != nil {
			kept = append(kept, s.answer)
		}
	}
	for s, a := range answers {
		if s.answer != nil {
			retract(s.answer, a, kept)
		}
		s.answer = a
	}
	return fresh, kept
}

// question asks one analyzer everything.
func (t *Topology) question(ctx context.Context, s *source) (*answer, *queryError) {
	a := newAnswer()
	take := func(r *rawNode) {
		n, ok := r.node()
		if !ok {
			a.malformed++
			return
		}
		t.graph.accept(a, n)
	}
	containers := false
	for _, q := range []struct {
		query, values string
		take          func(*rawNode)
	}{
		{queryNodes, nodesValues, take},
		{queryHolders, holdersValues, func(r *rawNode) {
			take(r)
			containers = containers || r.Type == "container" || (r.Metadata != nil && r.Metadata.Type == "container")
		}},
	} {
		decode := func(r io.Reader) error {
			malformed, err := decodeArray(r, q.take)
			a.malformed += malformed
			return err
		}
		query := q.query
		if !s.plain {
			query += q.values
		}
		err := ask(ctx, t.client, t.inUse, s.to, query, decode)
		if err != nil && err.status == http.StatusBadRequest && !s.plain {
			// An older Skydive: it knows whole nodes only.
			s.plain = true
			err = ask(ctx, t.client, t.inUse, s.to, q.query, decode)
		}
		if err != nil {
			return nil, err
		}
	}
	// Some are, where Skydive's versions differ; mostly such ones are no topology.
	if a.malformed > len(a.nodes) {
		return nil, &queryError{resultMalformed, 0, fmt.Errorf("%d of %d nodes in the answer are malformed", a.malformed, a.malformed+len(a.nodes))}
	}
	if !containers {
		return a, nil
	}
	err := ask(ctx, t.client, t.inUse, s.to, queryEdges, func(r io.Reader) error {
		malformed, err := decodeArray(r, func(e *rawEdge) {
			if e.Parent != "" && (a.has(e.Child) || len(a.parents) < t.graph.limit) {
				a.parents[e.Child] = e.Parent
			}
		})
		a.malformed += malformed
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (a *answer) has(id string) bool {
	_, ok := a.nodes[id]
	return ok
}

// answered notes how asking an analyzer went, and when it is its turn again.
func (t *Topology) answered(s *source, a *answer, err *queryError) {
	now := time.Now()
	how := resultOK
	if err != nil {
		how = err.result
	}
	t.metrics.requests.WithLabelValues(s.to.Name, string(how)).Inc()
	t.mu.Lock()
	before := s.status.LastError
	if err == nil {
		s.status.Answered, s.status.Nodes, s.status.LastError = now, len(a.nodes), ""
	} else {
		s.status.LastError = err.Error()
	}
	t.mu.Unlock()
	if err == nil {
		t.metrics.last.WithLabelValues(s.to.Name).Set(float64(now.UnixMilli()) / 1000)
		s.failures, s.due = 0, time.Time{}
		if before != "" {
			t.log.Info("the analyzer tells its topology again", "analyzer", s.to.Name)
		}
		return
	}
	interval := t.inUse.RefreshInterval
	wait := min(interval<<min(s.failures, 10), max(interval, maxDelay))
	s.failures++
	s.due = now.Add(wait - interval/2) // the first round after the wait
	s.seldom.Warn("the analyzer does not tell its topology; names and interfaces stay as they were known, flows count as ever",
		"result", string(how), "err", err.err, "retry_in", wait)
}
