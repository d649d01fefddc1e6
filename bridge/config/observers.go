// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"
)

// observerPolicies returns the values of aggregation.observers, the default first.
func observerPolicies() []string { return []string{"all", "one"} }

// tunnelPolicies returns the values of aggregation.tunnels, the default first.
func tunnelPolicies() []string { return []string{"both", "inner", "outer"} }

// portlessPolicies returns the values of aggregation.portless, the default first.
func portlessPolicies() []string { return []string{"skip", "count"} }

// observerLabels returns the labels that tell one capture point from another.
func observerLabels() []string {
	return []string{"node_tid", "capture_id", "node_name", "host", "node_type"}
}

// observers reads what becomes of a connection that is seen several times.
func (r *reader) observers(o *object, c *Aggregation) {
	r.choice(o, "observers", &c.Observers, observerPolicies())
	r.choice(o, "tunnels", &c.Tunnels, tunnelPolicies())
	r.choice(o, "portless", &c.Portless, portlessPolicies())
	if c.Observers != "one" {
		return
	}
	for _, label := range c.Labels {
		if slices.Contains(observerLabels(), label) {
			r.warn(o.lineOf("observers"), "aggregation.observers: one counts as all, because the label "+label+" tells one observer from another")
			return
		}
	}
}

// choice reads a word that must be one of some.
func (r *reader) choice(o *object, key string, dst *string, values []string) {
	n := o.take(key)
	if n == nil {
		return
	}
	path := o.join(key)
	switch s, ok := r.scalar(n, path); {
	case !ok: // it was said
	case slices.Contains(values, s):
		*dst = s
	default:
		r.fail(n.Line, path+" is unknown: "+quoted(s), "use one of "+strings.Join(values, ", "))
	}
}
