// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of aggregation. The upper ones only catch slips: nobody means them.
const (
	maxRetention = 365 * 24 * time.Hour
	minSeries    = 5 // one connection
	maxCount     = 1_000_000_000
	// Live flows are reported every flow.update, which may be a second; a window that
	// is shorter than that ranks by chance.
	minWindow = 10 * time.Second
	maxWindow = 24 * time.Hour
)

func (r *reader) aggregation(o *object, c *Aggregation) {
	if o.take("labels") != nil {
		c.Labels = r.labels(o)
	}
	o.duration("connection_timeout", &c.ConnectionTimeout, time.Second, maxRetention)
	o.duration("flow_retention", &c.FlowRetention, time.Second, maxRetention)
	if c.FlowRetention < c.ConnectionTimeout {
		key := "connection_timeout"
		if o.has("flow_retention") {
			key = "flow_retention"
		}
		r.fail(o.lineOf(key), fmt.Sprintf("aggregation.flow_retention (%s) is shorter than connection_timeout (%s)",
			showDuration(c.FlowRetention), showDuration(c.ConnectionTimeout)), "a flow must be remembered for as long as its connection is shown; raise flow_retention")
	}
	if n := o.take("flow_expire"); n != nil && n.Value != "auto" {
		o.duration("flow_expire", &c.FlowExpire, time.Second, maxRetention)
	}
	o.integer("max_series", &c.MaxSeries, minSeries, maxCount)
	o.integer("max_flows", &c.MaxFlows, 1, maxCount)
	r.ports(o, c)
	r.networks(o, c)
	o.integer("max_series_per_node", &c.MaxSeriesPerNode, 0, maxCount)
	if n := c.MaxSeriesPerNode; n > 0 && n < minSeries {
		r.fail(o.lineOf("max_series_per_node"), fmt.Sprintf("%s is %d, in which no connection fits", o.join("max_series_per_node"), n),
			fmt.Sprintf("write a number from %d, or 0 for no bound", minSeries))
	}
	c.ClusterNetworks = r.prefixes(o, "cluster_networks")
	r.excludes(o, c)
	r.observers(o, c)
	r.topK(o, c)
	o.done()
}

// topK reads how many connections have series, and warns where that decides nothing.
func (r *reader) topK(o *object, c *Aggregation) {
	o.integer("top_k", &c.TopK, 0, maxCount)
	o.duration("top_k_window", &c.TopKWindow, minWindow, maxWindow)
	if c.TopK > c.MaxSeries/minSeries {
		r.warn(o.lineOf("top_k"), fmt.Sprintf("%s is %d connections of up to %d series, more than max_series (%d) has room for: max_series decides", o.join("top_k"), c.TopK, minSeries, c.MaxSeries))
	}
}

// labels returns the labels of connections.
func (r *reader) labels(o *object) []string {
	const path = "aggregation.labels"
	var labels []string
	before := len(r.errs)
	for _, it := range o.texts("labels") {
		switch {
		case slices.Contains(labels, it.text):
			r.fail(it.line, fmt.Sprintf("%s has %s twice", path, it.text), "remove one of them")
		case slices.Contains(allLabels(), it.text):
			labels = append(labels, it.text)
		default:
			r.fail(it.line, fmt.Sprintf("%s has the unknown label %s", path, quoted(it.text)), "use any of "+strings.Join(allLabels(), ", "))
		}
	}
	if len(labels) == 0 && len(r.errs) == before {
		r.fail(o.lineOf("labels"), path+" is empty", "list at least one label, or remove the key for the default")
	}
	return labels
}
