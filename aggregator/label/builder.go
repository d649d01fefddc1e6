// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package label decides what a series of a connection is called: which labels it has
// ([Layout]), and their values for a flow ([Builder]), made of addresses, ports, networks,
// classes and the topology's names as the operator chose ([Config]). It knows nothing of
// counters, time or the disk.
package label

import (
	"slices"

	"github.com/skydive-project/skybridge/input"
)

// Builder makes the label values of flows, from what is known when a record arrives: if a
// name becomes known later, traffic from then on counts in another series, and the former
// one ends by its timeout. It is not safe for concurrent use.
type Builder struct {
	rows       []row // of the layout's labels without direction
	of         trait // of all of them
	networks   PrefixTable[string]
	classifier *Classifier
	services   *services // nil: every port is a label value
	derived    derived   // of the latest record
}

// NewBuilder returns the builder of a layout's values, by the other settings of a
// configuration, which it does not retain. It reads names where labels need them. With
// [ServicePorts] it reads known, and adds the listeners that flows show. changed is called for
// each value that is truncated or was not valid UTF-8.
func NewBuilder(layout *Layout, cfg *Config, names *Names, known *Listeners, changed func()) *Builder {
	b := &Builder{classifier: NewClassifier(cfg.ClusterNetworks), derived: derived{names: names, changed: changed}}
	all := table()
	for _, name := range layout.Names {
		r := all[slices.IndexFunc(all, func(r row) bool { return r.name == name })]
		if r.append != nil {
			b.rows, b.of = append(b.rows, r), b.of|r.of
		}
	}
	for _, n := range cfg.Networks {
		b.networks.Add(n.Prefix, n.Name)
	}
	if b.of&ofPort != 0 && cfg.Ports == ServicePorts {
		b.services, b.derived.serviceOnly = newServices(cfg.ServicePorts, known), true
	}
	return b
}

// Append appends the label values of a flow's connection to dst, each followed by
// [Separator], as [Layout.Values] reads them. They are the connection's identity. dst is
// the caller's, and f is not retained. Beside growing dst, it allocates to parse addresses,
// where networks or the class are among the labels.
func (b *Builder) Append(dst []byte, f *input.Flow) []byte {
	b.derive(f)
	for i := range b.rows {
		dst = append(b.rows[i].append(dst, f, &b.derived), Separator)
	}
	return dst
}

// derive sets what the layout needs for a record.
func (b *Builder) derive(f *input.Flow) {
	d := &b.derived
	if b.services != nil && f.HasTransport {
		d.server = b.services.server(f)
	}
	if b.of&(ofNetwork|ofClass) != 0 {
		from, to := ParseAddress(f.NetworkA), ParseAddress(f.NetworkB)
		d.networkA, _ = b.networks.Find(from)
		d.networkB, _ = b.networks.Find(to)
		d.class = b.classifier.Class(from, to)
	}
	if b.of&ofNode != 0 {
		d.node = d.names.Node(f.NodeTID)
	}
}

// Learn learns which end is the server from a record that adds nothing.
func (b *Builder) Learn(f *input.Flow) {
	if b.services != nil && f.Opened != input.OpenedUnknown {
		b.services.server(f)
	}
}
