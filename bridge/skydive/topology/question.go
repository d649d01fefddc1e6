// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxDelay is how long an analyzer that does not answer is left alone at
// most, but for a refresh interval that is longer.
const maxDelay = 5 * time.Minute

// question asks one analyzer everything.
func (t *Topology) question(ctx context.Context, s *source) (*answer, *queryError) {
	a, account := &answer{by: s.by, nodes: map[string]*node{}}, t.inUse.Account
	containers := false
	take := elements(a, func(r *rawNode) {
		n, ok := r.node()
		if !ok {
			a.malformed++
			return
		}
		t.graph.accept(a, n)
		containers = containers || n.kind == "container"
	})
	for _, q := range []struct{ nodes, values string }{{queryNodes, nodesValues}, {queryHolders, holdersValues}} {
		var err *queryError
		if !s.plain {
			err = ask(ctx, s.client, account, s.to, q.nodes+q.values, take)
			s.plain = err != nil && err.status == http.StatusBadRequest
		}
		if s.plain { // an older Skydive: it knows whole nodes only
			err = ask(ctx, s.client, account, s.to, q.nodes, take)
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
	err := ask(ctx, s.client, account, s.to, queryEdges, elements(a, func(e *rawEdge) {
		if n := a.nodes[e.Child]; n != nil {
			n.parent = e.Parent
		}
	}))
	return a, err
}

// elements has take read the elements of an answer.
func elements[T any](a *answer, take func(*T)) func(io.Reader) error {
	return func(r io.Reader) error {
		malformed, err := decodeArray(r, take)
		a.malformed += malformed
		return err
	}
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
			t.log.Info("the analyzer answers topology queries again", "analyzer", s.to.Name)
		}
		return
	}
	interval := t.inUse.RefreshInterval
	wait := min(interval<<min(s.failures, 10), max(interval, maxDelay))
	s.failures++
	s.due = now.Add(wait - interval/2) // the first round after the wait
	s.seldom.Warn("the analyzer does not answer topology queries; names and interfaces stay as known, and flows are counted as before",
		"result", string(how), "err", err.err, "retry_in", wait)
}
