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
	o.integer("max_series", &c.MaxSeries, minSeries, maxCount)
	o.integer("max_flows", &c.MaxFlows, 1, maxCount)
	r.ports(o, c)
	r.networks(o, c)
	for _, it := range o.texts("cluster_networks") {
		r.network(it, o.join("cluster_networks"), &c.ClusterNetworks)
	}
	r.excludes(o, c)
	o.done()
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
