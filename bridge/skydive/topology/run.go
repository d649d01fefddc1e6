// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/logging"
)

// Run asks until the context ends. It can be called once.
func (t *Topology) Run(ctx context.Context, sink Sink) {
	defer t.disconnect()
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for {
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case <-t.changed:
			due = time.Now()
			continue
		case <-sink.NamesWanted():
			early := time.Now().Add(t.settle)
			if early.Before(t.early) {
				early = t.early
			}
			if early.Before(due) {
				due, t.early = early, early.Add(t.interval())
			}
			continue
		case <-timer.C:
		}
		started := time.Now()
		t.adopt(sink)
		due = started.Add(t.interval())
		if t.inUse.Enabled {
			t.lookUpNames(ctx)
			t.round(ctx, sink)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// interval is the time between rounds; without any, long.
func (t *Topology) interval() time.Duration {
	if t.inUse == nil || !t.inUse.Enabled {
		return time.Hour
	}
	return t.inUse.RefreshInterval
}

// adopt puts a new configuration into force.
func (t *Topology) adopt(sink Sink) {
	t.mu.Lock()
	cfg, analyzers := t.cfg, t.analyzers
	t.mu.Unlock()
	if cfg == t.inUse {
		return
	}
	was := t.inUse
	t.inUse, t.lookUp = cfg, time.Time{}
	t.disconnect()
	var targets []access.Target
	if cfg.Enabled {
		targets, _ = analyzers.Targets()
		t.graph.limit = 2 * cfg.CacheSize
	}
	t.choose(targets, true)
	if !cfg.Enabled && (was == nil || was.Enabled) { // the sink may have what a former process stated
		t.graph.nodes = map[string]*heldNode{}
		t.metrics.ifaces.Set(0)
		t.handOn(sink, &stated{})
	}
}

// choose makes the sources those targets, which are asked now where they are new, or all
// are.
func (t *Topology) choose(targets []access.Target, all bool) {
	var bits uint64
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, s := range t.sources {
		i := slices.IndexFunc(targets, func(o access.Target) bool { return o.Name == name })
		if i < 0 {
			s.client.CloseIdleConnections()
			delete(t.sources, name)
			t.graph.forget(s.by)
			t.metrics.remove(name)
			continue
		}
		if bits |= s.by; all || s.to != targets[i] {
			s.to, s.failures, s.due, s.plain = targets[i], 0, time.Time{}, false
			s.client = t.inUse.Account.Client(s.to, t.timeout)
		}
	}
	for _, to := range targets {
		if t.sources[to.Name] == nil {
			by := ^bits & (bits + 1) // the lowest that is free
			bits |= by
			t.sources[to.Name] = &source{
				to: to, client: t.inUse.Account.Client(to, t.timeout), by: by,
				seldom: logging.RateLimited(t.log.With("analyzer", to.Name)), status: Status{Analyzer: to.Name},
			}
			t.metrics.begin(to.Name)
		}
	}
}

// lookUpNames looks names up where it is time, and asks what they stand for now.
func (t *Topology) lookUpNames(ctx context.Context) {
	t.mu.Lock()
	analyzers := t.analyzers
	t.mu.Unlock()
	if now := time.Now(); !analyzers.Change() || now.Before(t.lookUp) {
		return
	}
	t.lookUp = time.Now().Add(access.LookUpInterval)
	for _, failure := range analyzers.LookUp(ctx) {
		t.seldom.Warn("the name of analyzers to ask for the topology cannot be looked up; those that are known stay", "name", failure.Name, "err", failure.Err)
	}
	targets, _ := analyzers.Targets()
	t.choose(targets, false)
}

func (t *Topology) disconnect() {
	for _, s := range t.sources {
		s.client.CloseIdleConnections()
	}
}

// round asks every analyzer whose turn it is, all at once, and reports what came of
// it.
func (t *Topology) round(ctx context.Context, sink Sink) {
	var asking sync.WaitGroup
	var mu sync.Mutex
	var answers []*answer
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
				answers = append(answers, a)
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	if ctx.Err() != nil || len(answers) == 0 {
		return
	}
	skipped := t.graph.take(answers)
	holders := t.graph.holders()
	if ctx.Err() != nil {
		return // a second sooner, where there are half a million nodes
	}
	nodes := t.graph.byTID()
	rows, more, cut := interfaces(nodes, t.inUse.CacheSize)
	t.metrics.cut.Add(float64(cut + holders.cut + holders.over))
	t.metrics.ifaces.Set(float64(len(rows)))

	was, is, at := t.stated.Load(), &stated{names(nodes), holders.names(), captures(nodes), rows}, time.Now()
	keep(&t.goneNodes, was.nodes, is.nodes, at, t.graph.limit)
	keep(&t.goneAddresses, was.addresses, is.addresses, at, t.graph.limit)

	malformed := 0
	for _, a := range answers {
		malformed += a.malformed
	}
	t.metrics.skipped.WithLabelValues(nodeMalformed).Add(float64(malformed))
	t.metrics.skipped.WithLabelValues(nodeLimit).Add(float64(skipped + more))
	t.handOn(sink, is)
	if malformed+skipped+more == 0 {
		return
	}
	t.seldom.Warn("some nodes of the topology do not count: they are malformed, or there are more than topology.cache_size has room for",
		"malformed", malformed, "too_many", skipped+more)
}
