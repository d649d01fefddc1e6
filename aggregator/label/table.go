// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"slices"
	"strconv"

	"github.com/skydive-project/skybridge/input"
)

// row is a label that a connection can have.
type row struct {
	name string
	of   trait
	// append appends its value for a flow; nil: direction, whose values are fixed.
	append func(dst []byte, f *input.Flow, d *derived) []byte
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

// table has a row for each label, the default ones, which are those of the old connector,
// first.
func table() []row {
	return []row{
		{"initiator_ip", 0, func(dst []byte, f *input.Flow, d *derived) []byte { return appendTo(dst, f.NetworkA, d) }},
		{"target_ip", 0, func(dst []byte, f *input.Flow, d *derived) []byte { return appendTo(dst, f.NetworkB, d) }},
		{"initiator_port", ofPort, func(dst []byte, f *input.Flow, d *derived) []byte { return appendPort(dst, f, f.TransportA, endA, d) }},
		{"target_port", ofPort, func(dst []byte, f *input.Flow, d *derived) []byte { return appendPort(dst, f, f.TransportB, endB, d) }},
		{direction, 0, nil},
		{"node_tid", ofObserver, func(dst []byte, f *input.Flow, d *derived) []byte { return appendTo(dst, f.NodeTID, d) }},
		{protocol, 0, func(dst []byte, f *input.Flow, d *derived) []byte { return appendTo(dst, f.TransportProtocol, d) }},

		{"application", 0, func(dst []byte, f *input.Flow, d *derived) []byte { return appendTo(dst, f.Application, d) }},
		{"capture_id", ofObserver, func(dst []byte, f *input.Flow, d *derived) []byte { return appendTo(dst, f.CaptureID, d) }},
		{"initiator_network", ofNetwork, func(dst []byte, _ *input.Flow, d *derived) []byte { return appendTo(dst, d.networkA, d) }},
		{"target_network", ofNetwork, func(dst []byte, _ *input.Flow, d *derived) []byte { return appendTo(dst, d.networkB, d) }},
		{"flow_class", ofClass, func(dst []byte, _ *input.Flow, d *derived) []byte { return append(dst, d.class...) }},
		{"node_name", ofNode | ofObserver, func(dst []byte, _ *input.Flow, d *derived) []byte { return appendTo(dst, d.node.Name, d) }},
		{"host", ofNode | ofObserver, func(dst []byte, _ *input.Flow, d *derived) []byte { return appendTo(dst, d.node.Host, d) }},
		{"node_type", ofNode | ofObserver, func(dst []byte, _ *input.Flow, d *derived) []byte { return appendTo(dst, d.node.Type, d) }},
		{"initiator_name", 0, func(dst []byte, f *input.Flow, d *derived) []byte {
			return appendTo(dst, d.names.Address(f.NetworkA), d)
		}},
		{"target_name", 0, func(dst []byte, f *input.Flow, d *derived) []byte {
			return appendTo(dst, d.names.Address(f.NetworkB), d)
		}},
		{"vlan", 0, func(dst []byte, f *input.Flow, _ *derived) []byte { return appendID(dst, f.VLAN) }},
		{"vni", 0, func(dst []byte, f *input.Flow, _ *derived) []byte { return appendID(dst, f.VNI) }},
	}
}

// Labels that rules beside the table know.
const (
	direction = "direction"
	protocol  = "protocol"
)

// defaults is how many rows of the table are the default.
const defaults = 7

// All returns the labels that a connection can have, the default ones first.
func All() []string {
	var names []string
	for _, r := range table() {
		names = append(names, r.name)
	}
	return names
}

// Default returns the labels of a connection where the operator chose none.
func Default() []string { return All()[:defaults] }

// OfObservers returns the labels that differ between the observers of a connection.
func OfObservers() []string { return with(ofObserver) }

// OfPorts returns the labels that [Config.Ports] concerns.
func OfPorts() []string { return with(ofPort) }

// OfNetworks returns the labels that [Config.Networks] concerns.
func OfNetworks() []string { return with(ofNetwork) }

// with returns the labels with a trait.
func with(t trait) []string {
	var names []string
	for _, r := range table() {
		if r.of&t != 0 {
			names = append(names, r.name)
		}
	}
	return names
}

// anyOf reports whether one of some labels has a trait.
func anyOf(t trait, names []string) bool {
	return slices.ContainsFunc(with(t), func(name string) bool { return slices.Contains(names, name) })
}

// derived is what values are made of beside the record; of a record's, only what the layout
// needs is set.
type derived struct {
	names       *Names
	serviceOnly bool   // [ServicePorts]
	changed     func() // called for a value that was not valid as it is

	server             end // of the record, as all below
	networkA, networkB string
	class              Class
	node               NodeNames
}

// appendTo appends a value, and counts it where it had to be changed to be valid.
func appendTo[T []byte | string](dst []byte, s T, d *derived) []byte {
	dst, changed := appendValue(dst, s)
	if changed {
		d.changed()
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

// appendPort appends the port of an end, or ephemeral where only ports of services are kept
// and that end is not the server.
func appendPort(dst []byte, f *input.Flow, port int64, of end, d *derived) []byte {
	switch {
	case !f.HasTransport:
		return dst
	case d.serviceOnly && of != d.server:
		return append(dst, ephemeral...)
	}
	return strconv.AppendInt(dst, port, 10)
}
