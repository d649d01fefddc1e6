// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
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
	for _, it := range o.texts("cluster_networks") {
		r.network(it, o.join("cluster_networks"), c)
	}
	for _, it := range o.texts("exclude_classes") {
		switch {
		case !slices.Contains(flowClasses(), it.text):
			r.fail(it.line, fmt.Sprintf("aggregation.exclude_classes has the unknown class %s", quoted(it.text)),
				"use "+strings.Join(flowClasses(), ", "))
		case slices.Contains(c.ExcludeClasses, it.text):
			r.fail(it.line, fmt.Sprintf("aggregation.exclude_classes has %s twice", it.text), "remove one of them")
		default:
			c.ExcludeClasses = append(c.ExcludeClasses, it.text)
		}
	}
	r.nothingLeft(o.lineOf("exclude_classes"), o.join("exclude_classes"), c)
	r.observers(o, c)
	o.done()
}

// nothingLeft warns where exclude_classes leaves no connection.
func (r *reader) nothingLeft(line int, path string, c *Aggregation) {
	switch {
	case len(c.ExcludeClasses) == len(flowClasses()):
		r.warn(line, path+" names every class: no connection is left")
	case len(c.ClusterNetworks) == 0 && slices.Contains(c.ExcludeClasses, "other"):
		r.warn(line, path+" names other, and without cluster networks every connection is of that class: none is left")
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
		case slices.Contains(connectionLabels(), it.text):
			labels = append(labels, it.text)
		case slices.Contains(laterLabels(), it.text):
			r.fail(it.line, fmt.Sprintf("the label %s is not supported by this version yet", it.text), "remove it")
		default:
			r.fail(it.line, fmt.Sprintf("%s has the unknown label %s", path, quoted(it.text)), "use any of "+strings.Join(connectionLabels(), ", "))
		}
	}
	if len(labels) == 0 && len(r.errs) == before {
		r.fail(o.lineOf("labels"), path+" is empty", "list at least one label, or remove the key for the default")
	}
	return labels
}

// network adds a network to c, in its shortest form.
func (r *reader) network(it item, path string, c *Aggregation) {
	p, err := netip.ParsePrefix(it.text)
	if err != nil {
		remedy := "write address/bits, such as 10.0.0.0/8 or fd00::/8"
		if a, err := netip.ParseAddr(it.text); err == nil && a.Zone() == "" {
			remedy = fmt.Sprintf("for this one address write %s/%d", a, a.BitLen())
		}
		r.fail(it.line, fmt.Sprintf("%s has %s, which is no network", path, quoted(it.text)), remedy)
		return
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if m := p.Masked(); m != p {
		r.warn(it.line, fmt.Sprintf("%s has %s, which is read as %s", path, p, m))
		p = m
	}
	if slices.Contains(c.ClusterNetworks, p) {
		r.warn(it.line, fmt.Sprintf("%s has %s twice", path, p))
		return
	}
	c.ClusterNetworks = append(c.ClusterNetworks, p)
}
