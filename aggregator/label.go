// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/input"
)

// label is a label that a connection can have.
type label struct {
	name string
	of   trait
	// append appends its value for a flow; nil: direction, whose values are fixed.
	append func(l *labels, dst []byte, f *input.Flow, d *derived) []byte
}

// trait is what a label's value depends on, for rules that concern several.
type trait uint8

const (
	ofPort     trait = 1 << iota // what aggregation.ports says
	ofNetwork                    // aggregation.networks
	ofClass                      // aggregation.cluster_networks
	ofNode                       // the topology's names of the node
	ofObserver                   // differs between the observers of a connection
)

// labelTable has a row for each label, the default ones, which are those of the old
// connector, first.
func labelTable() []label {
	return []label{
		{"initiator_ip", 0, func(l *labels, dst []byte, f *input.Flow, _ *derived) []byte { return appendTo(l, dst, f.NetworkA) }},
		{"target_ip", 0, func(l *labels, dst []byte, f *input.Flow, _ *derived) []byte { return appendTo(l, dst, f.NetworkB) }},
		{"initiator_port", ofPort, func(l *labels, dst []byte, f *input.Flow, d *derived) []byte {
			return l.port(dst, f, f.TransportA, d.server == endA)
		}},
		{"target_port", ofPort, func(l *labels, dst []byte, f *input.Flow, d *derived) []byte {
			return l.port(dst, f, f.TransportB, d.server == endB)
		}},
		{labelDirection, 0, nil},
		{"node_tid", ofObserver, func(l *labels, dst []byte, f *input.Flow, _ *derived) []byte { return appendTo(l, dst, f.NodeTID) }},
		{labelProtocol, 0, func(l *labels, dst []byte, f *input.Flow, _ *derived) []byte {
			return appendTo(l, dst, f.TransportProtocol)
		}},

		{"application", 0, func(l *labels, dst []byte, f *input.Flow, _ *derived) []byte { return appendTo(l, dst, f.Application) }},
		{"capture_id", ofObserver, func(l *labels, dst []byte, f *input.Flow, _ *derived) []byte { return appendTo(l, dst, f.CaptureID) }},
		{"initiator_network", ofNetwork, func(l *labels, dst []byte, _ *input.Flow, d *derived) []byte { return appendTo(l, dst, d.networkA) }},
		{"target_network", ofNetwork, func(l *labels, dst []byte, _ *input.Flow, d *derived) []byte { return appendTo(l, dst, d.networkB) }},
		{"flow_class", ofClass, func(l *labels, dst []byte, _ *input.Flow, d *derived) []byte {
			return appendTo(l, dst, string(d.class))
		}},
		{"node_name", ofNode | ofObserver, func(l *labels, dst []byte, _ *input.Flow, d *derived) []byte { return appendTo(l, dst, d.node.Name) }},
		{"host", ofNode | ofObserver, func(l *labels, dst []byte, _ *input.Flow, d *derived) []byte { return appendTo(l, dst, d.node.Host) }},
		{"node_type", ofNode | ofObserver, func(l *labels, dst []byte, _ *input.Flow, d *derived) []byte { return appendTo(l, dst, d.node.Type) }},
		{"initiator_name", 0, func(l *labels, dst []byte, f *input.Flow, _ *derived) []byte { return l.addressName(dst, f.NetworkA) }},
		{"target_name", 0, func(l *labels, dst []byte, f *input.Flow, _ *derived) []byte { return l.addressName(dst, f.NetworkB) }},
		{"vlan", 0, func(_ *labels, dst []byte, f *input.Flow, _ *derived) []byte { return appendID(dst, f.VLAN) }},
		{"vni", 0, func(_ *labels, dst []byte, f *input.Flow, _ *derived) []byte { return appendID(dst, f.VNI) }},
	}
}

// Labels that rules beside labelTable know.
const (
	labelDirection = "direction"
	labelProtocol  = "protocol"
)

// defaultLabels is how many rows of labelTable are the default.
const defaultLabels = 7

// AllLabels returns the labels that a connection can have, the default ones first.
func AllLabels() []string {
	var names []string
	for _, row := range labelTable() {
		names = append(names, row.name)
	}
	return names
}

// ObserverLabels returns the labels that differ between the observers of a connection.
func ObserverLabels() []string { return labelsOf(ofObserver) }

// PortLabels returns the labels that [Config.Ports] concerns.
func PortLabels() []string { return labelsOf(ofPort) }

// NetworkLabels returns the labels that [Config.Networks] concerns.
func NetworkLabels() []string { return labelsOf(ofNetwork) }

func labelsOf(t trait) []string {
	var names []string
	for _, row := range labelTable() {
		if row.of&t != 0 {
			names = append(names, row.name)
		}
	}
	return names
}

// anyOf reports whether one of some labels has a trait.
func anyOf(t trait, names []string) bool {
	return slices.ContainsFunc(labelsOf(t), func(name string) bool { return slices.Contains(names, name) })
}

// DefaultLabels returns the labels of a connection where the operator chose none.
func DefaultLabels() []string { return AllLabels()[:defaultLabels] }

// labels makes the label values of flows, from what is known when a record arrives: if a
// name becomes known later, traffic from then on counts in another series, and the former
// one ends by its timeout.
type labels struct {
	chosen     []label // of the layout's names without direction
	of         trait   // of all of them
	networks   networks[string]
	classifier classifier
	names      Names     // nil: none
	services   *services // nil: every port is a label value

	changed prometheus.Counter // values that were not valid as they are
	derived derived            // scratch: of the latest record
}

func newLabels(layout *Layout, cfg Config, known *listeners, changed prometheus.Counter) *labels {
	l := &labels{names: cfg.Names, classifier: newClassifier(cfg.ClusterNetworks), changed: changed}
	table := labelTable()
	for _, name := range layout.Names {
		row := table[slices.IndexFunc(table, func(row label) bool { return row.name == name })]
		if row.append != nil {
			l.chosen, l.of = append(l.chosen, row), l.of|row.of
		}
	}
	if l.names == nil {
		l.of &^= ofNode
	}
	for _, n := range cfg.Networks {
		l.networks.add(n.Prefix, n.Name)
	}
	if l.of&ofPort != 0 && cfg.Ports == ServicePorts {
		l.services = newServices(cfg.ServicePorts, known)
	}
	return l
}

// appendValues appends the label values of a flow's connection to dst, in the form of
// [Row.Values]. They are the connection's identity.
func (l *labels) appendValues(dst []byte, f *input.Flow) []byte {
	d := &l.derived
	l.derive(d, f)
	for i := range l.chosen {
		dst = append(l.chosen[i].append(l, dst, f, d), Separator)
	}
	return dst
}

// derived is what is derived from a record; only what the layout needs is set.
type derived struct {
	server             end
	networkA, networkB string
	class              Class
	node               NodeNames
}

func (l *labels) derive(d *derived, f *input.Flow) {
	*d = derived{}
	if l.services != nil && f.HasTransport {
		d.server = l.services.server(f)
	}
	if l.of&(ofNetwork|ofClass) != 0 {
		a, b := address(f.NetworkA), address(f.NetworkB)
		d.networkA, _ = l.networks.find(a)
		d.networkB, _ = l.networks.find(b)
		d.class = l.classifier.class(a, b)
	}
	if l.of&ofNode != 0 {
		d.node = l.names.Node(f.NodeTID)
	}
}

// learn learns which end is the server from a record that adds nothing.
func (l *labels) learn(f *input.Flow) {
	if l.services != nil && f.Opened != input.OpenedUnknown {
		l.services.server(f)
	}
}

// addressName appends the topology's name for an address.
func (l *labels) addressName(dst, addr []byte) []byte {
	if l.names == nil {
		return dst
	}
	return appendTo(l, dst, l.names.Address(addr))
}

// appendTo appends a value, and counts it where it had to be changed to be valid.
func appendTo[T []byte | string](l *labels, dst []byte, s T) []byte {
	dst, changed := appendValue(dst, s)
	if changed {
		l.changed.Inc()
	}
	return dst
}

// appendID appends the number of a VLAN or VNI, 0: no value.
func appendID(dst []byte, id int64) []byte {
	if id == 0 {
		return dst
	}
	return strconv.AppendInt(dst, id, 10)
}

// port appends a port, or ephemeralPort where only ports of services are kept and this end
// is not the server.
func (l *labels) port(dst []byte, f *input.Flow, port int64, server bool) []byte {
	switch {
	case !f.HasTransport:
		return dst
	case l.services != nil && !server:
		return append(dst, ephemeralPort...)
	}
	return strconv.AppendInt(dst, port, 10)
}

// Names resolves nodes and addresses by Skydive's topology. Both methods are called for each
// record that counts, where labels need them, from any goroutine and with the aggregator's
// lock held: they must answer at once, from memory. Arguments belong to the caller. Answers
// may change; see labels.
type Names interface {
	// Node returns the names of the node with this TID; the zero value where it is unknown,
	// which is then looked up.
	Node(tid []byte) NodeNames
	// Address returns the name for an address in Skydive's notation; "" where it is unknown,
	// which is then looked up.
	Address(addr []byte) string
}

// NodeNames are a node's name, its host, and its type in Skydive's words
// ("device", "veth", …). Each may be empty.
type NodeNames struct{ Name, Host, Type string }
