// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/secrets"
)

const (
	// minCacheSize is room for the interfaces of a few machines.
	minCacheSize = 100
	maxCacheSize = 10_000_000
	// maxTopologyAnalyzers is how many are asked: each one of a cluster knows all.
	maxTopologyAnalyzers = 64
)

func (r *reader) topology(o *object, c *Topology) {
	o.boolean("enabled", &c.Enabled)
	for i, it := range o.texts("analyzers") {
		path := fmt.Sprintf("topology.analyzers[%d]", i)
		url, ok := r.analyzer(it, path, "skydive.basic_auth")
		switch {
		case !ok:
		case slices.Contains(c.Analyzers, url):
			r.fail(it.line, path+" is the same as one before it", "remove one of them")
		case len(c.Analyzers) >= maxTopologyAnalyzers:
			r.fail(it.line, path+" is one too many", fmt.Sprintf("list at most %d; each analyzer of a cluster knows the whole topology", maxTopologyAnalyzers))
		default:
			c.Analyzers = append(c.Analyzers, url)
		}
	}
	o.duration("refresh_interval", &c.RefreshInterval, time.Second, time.Hour)
	o.integer("cache_size", &c.CacheSize, minCacheSize, maxCacheSize)
	o.done()
}

// TopologyAnalyzers returns the URLs of the analyzers to ask for the topology.
func (c *Config) TopologyAnalyzers() []string {
	if len(c.Topology.Analyzers) > 0 {
		return c.Topology.Analyzers
	}
	return c.Skydive.Analyzers
}

func (c *Config) names() string {
	if !c.Topology.Enabled {
		return "not asked for: no names, no interfaces"
	}
	from := "the same"
	if len(c.Topology.Analyzers) > 0 {
		from = ""
		for i, u := range c.Topology.Analyzers {
			if i > 0 {
				from += ", "
			}
			from += secrets.URL(u)
		}
	}
	return fmt.Sprintf("from %s every %s; up to %d names and interfaces", from, showDuration(c.Topology.RefreshInterval), c.Topology.CacheSize)
}
