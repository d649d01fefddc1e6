// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"time"

	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/bridge/web/status"
)

// state is the answer of /api/v1/status, which the status page shows.
func (b *Bridge) state() status.Status {
	now := time.Now()
	s := status.Status{
		Version: versionText(), Now: now.UTC(), Started: b.started.UTC(),
		ClockWaitSeconds: b.wait().Seconds(),
		// Empty lists, not null, where there is nothing.
		Analyzers: []status.Analyzer{}, Missing: []status.Missing{}, Topology: []status.Topology{}, Endpoints: []status.Endpoint{},
		Overflow: []status.Overflow{}, Labels: []status.Label{}, Nodes: []status.Node{},
	}
	s.Ready, s.Message = b.ready()
	for _, a := range b.feed.Status() {
		s.Analyzers = append(s.Analyzers, status.Analyzer{
			URL: a.Analyzer, HostID: a.HostID, SameAs: a.SameAs, Connected: a.Connected, Since: a.Since, LastMessage: a.LastMessage,
			Updates: a.Updates, UpdatesPerSecond: b.updateRates.rate(now, &a), Reconnects: a.Reconnects, Dropped: a.Dropped,
			LastError: a.LastError, LastErrorAt: a.LastErrorAt,
		})
	}
	for _, m := range b.feed.Missing() {
		s.Missing = append(s.Missing, status.Missing(m))
	}
	for _, t := range b.topology.Status() {
		s.Topology = append(s.Topology, status.Topology{
			URL: t.Analyzer, OK: t.LastError == "" && !t.Answered.IsZero(), Nodes: t.Nodes, Answered: t.Answered, LastError: t.LastError,
		})
	}
	for _, e := range b.sender.Status() {
		lag := 0.0
		if !e.WaitsSince.IsZero() {
			lag = max(0, b.clock.now().Sub(e.WaitsSince).Seconds())
		}
		s.Endpoints = append(s.Endpoints, status.Endpoint{
			Name: e.Name, URL: e.URL, OK: e.OK(), State: string(e.State()), Version: e.Version, Shards: e.Shards,
			LagSeconds: lag, BacklogTicks: e.BacklogTicks, BacklogSamples: e.BacklogSamples,
			LastSuccess: e.LastSuccess, LastError: e.LastError, LastErrorAt: e.LastErrorAt, Remedy: e.LastRemedy,
			RefusedSamples: e.RefusedSamples, LostBytes: e.LostBytes, RetriedUntil: e.RetriedUntil,
		})
	}
	b.bounds(&s)
	b.options.secrets.HideIn(&s)
	s.Config = *b.shownConfig.Load() // can be long, and is without them
	return s
}

// bounds fills in how much of each bound is used.
func (b *Bridge) bounds(s *status.Status) {
	a := b.aggregator.Status()
	s.Bounds = status.Bounds{
		Series:        status.Bound{Now: a.Series, Limit: a.MaxSeries},
		SeriesPerNode: status.Bound{Limit: a.MaxSeriesPerNode},
		Connections:   status.Bound{Now: a.Connections, Limit: a.TopK},
		Flows:         status.Bound{Now: a.Flows, Limit: a.MaxFlows},
	}
	for _, o := range a.Overflow {
		s.Overflow = append(s.Overflow, status.Overflow(o))
	}
	for _, l := range a.Labels {
		s.Labels = append(s.Labels, status.Label(l))
	}
	for _, n := range a.Nodes {
		s.Nodes = append(s.Nodes, status.Node{
			TID: n.TID, Name: b.topology.KnownNode(n.TID).Name, Series: n.Series, OverflowBytes: n.OverflowBytes,
		})
		s.Bounds.SeriesPerNode.Now = max(s.Bounds.SeriesPerNode.Now, n.Series)
	}
	use := b.log.Usage()
	s.Storage = status.Storage{
		Durable: b.storage != nil, State: b.replica.StateBytes(),
		Log:    status.Bytes{Now: use.Disk, Limit: use.DiskLimit},
		Memory: status.Bytes{Now: use.Memory, Limit: use.MemoryLimit},
	}
	if err := b.failure(); err != nil {
		s.ExactnessSuspended, s.Storage.Trouble = true, err.Error()
	}
}

// tickPublished updates the status page after a tick.
func (b *Bridge) tickPublished() {
	b.updateRates.observe(time.Now(), b.feed.Status())
	b.web.Ticked()
}

// showConfig sets the configuration on the status page, without secrets.
func (b *Bridge) showConfig(cfg *config.Config) {
	shown := b.options.secrets.Hide(string(cfg.Redacted()))
	b.shownConfig.Store(&shown)
}
