// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// The filters, as values of the label filter of skybridge_filtered_bytes_total.
const (
	filterProtocols    = "protocols"
	filterApplications = "applications"
	filterNetworks     = "networks"
	filterClasses      = "classes"
	filterTunnels      = "tunnels" // see tunnel.go
)

// filters are the operator's exclude lists, each entry with the counter of the bytes that
// it excludes.
type filters struct {
	protocols, applications map[string]prometheus.Counter
	networks                label.PrefixTable[prometheus.Counter]
	classes                 map[label.Class]prometheus.Counter
	classifier              *label.Classifier
	addresses               bool // the last two need them
}

// newFilters makes the filters of a configuration. Each entry's counter exists from the
// start, so that an alert on its increase sees the first byte.
func newFilters(cfg Config, bytes *prometheus.CounterVec) *filters {
	byText := func(filter string, values []string) map[string]prometheus.Counter {
		counters := map[string]prometheus.Counter{}
		for _, v := range values {
			counters[v] = bytes.WithLabelValues(filter, v)
		}
		return counters
	}
	f := &filters{
		protocols:    byText(filterProtocols, cfg.ExcludeProtocols),
		applications: byText(filterApplications, cfg.ExcludeApplications),
		classes:      map[label.Class]prometheus.Counter{},
		classifier:   label.NewClassifier(cfg.ClusterNetworks),
		addresses:    len(cfg.ExcludeClasses)+len(cfg.ExcludeNetworks) > 0,
	}
	for _, p := range cfg.ExcludeNetworks {
		f.networks.Add(p, bytes.WithLabelValues(filterNetworks, p.String()))
	}
	for _, c := range cfg.ExcludeClasses {
		f.classes[c] = bytes.WithLabelValues(filterClasses, string(c))
	}
	return f
}

// match returns the counter of the first entry that excludes a flow, or nil.
func (s *filters) match(f *input.Flow) prometheus.Counter {
	if len(s.protocols) > 0 {
		if c, ok := s.protocols[string(f.TransportProtocol)]; ok {
			return c
		}
	}
	if len(s.applications) > 0 {
		if c, ok := s.applications[string(f.Application)]; ok {
			return c
		}
	}
	if !s.addresses {
		return nil
	}
	a, b := label.ParseAddress(f.NetworkA), label.ParseAddress(f.NetworkB)
	if c, ok := s.networks.Find(a); ok {
		return c
	}
	if c, ok := s.networks.Find(b); ok {
		return c
	}
	if len(s.classes) == 0 {
		return nil
	}
	return s.classes[s.classifier.Class(a, b)]
}

// exclude reports whether a flow is excluded, and counts its traffic as such.
func (a *Aggregator) exclude(f *input.Flow, delta counts) bool {
	c := a.filters.match(f)
	if c == nil {
		return false
	}
	c.Add(float64(delta.totalBytes()))
	return true
}
