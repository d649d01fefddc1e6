// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import "github.com/skydive-project/skybridge/bridge/web"

// state is what /api/v1/status answers.
func (b *Bridge) state() web.Status {
	s := web.Status{
		Version: versionText(), ExactnessSuspended: b.trouble() != nil,
		// Empty lists, not null, where there is nothing.
		Analyzers: []web.Analyzer{}, Endpoints: []web.Endpoint{},
		Overflow: []web.Overflow{}, Labels: []web.Label{}, Nodes: []web.Node{},
	}
	s.Ready, s.Message = b.ready()
	for _, a := range b.feed.Status() {
		s.Analyzers = append(s.Analyzers, web.Analyzer{
			URL: a.Analyzer, Connected: a.Connected, Since: a.Since, LastMessage: a.LastMessage,
			LastError: a.LastError, LastErrorAt: a.LastErrorAt,
		})
	}
	for _, e := range b.sender.Status() {
		s.Endpoints = append(s.Endpoints, web.Endpoint{
			Name: e.Name, URL: e.URL, OK: e.OK(), BacklogTicks: e.BacklogTicks,
			LastSuccess: e.LastSuccess, LastError: e.LastError, LastErrorAt: e.LastErrorAt,
		})
	}
	a := b.aggregator.Status()
	s.Bounds = web.Bounds{
		Series:        web.Bound{Now: a.Series, Limit: a.MaxSeries},
		SeriesPerNode: web.Bound{Limit: a.MaxSeriesPerNode},
		Connections:   web.Bound{Now: a.Connections, Limit: a.TopK},
		Flows:         web.Bound{Now: a.Flows, Limit: a.MaxFlows},
	}
	for _, o := range a.Overflow {
		s.Overflow = append(s.Overflow, web.Overflow(o))
	}
	for _, l := range a.Labels {
		s.Labels = append(s.Labels, web.Label(l))
	}
	for _, n := range a.Nodes {
		s.Nodes = append(s.Nodes, web.Node(n))
		s.Bounds.SeriesPerNode.Now = max(s.Bounds.SeriesPerNode.Now, n.Series)
	}
	return s
}
