// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "github.com/skydive-project/skybridge/input"

// InterfaceMetrics is how many metrics an interface has.
const InterfaceMetrics = input.InterfaceMetrics

// InterfaceLabels identify a network interface. An empty one is no label.
type InterfaceLabels struct {
	Name, Host, Type string
	// IPv4 and IPv6 are addresses with their prefix length, separated by commas
	// where there are several.
	IPv4, IPv6 string
	NodeTID    string
}

// All returns the labels' names and values, sorted by name.
func (l *InterfaceLabels) All() [6]struct{ Name, Value string } {
	return [6]struct{ Name, Value string }{
		{"host", l.Host},
		{"interface_name", l.Name},
		{"interface_type", l.Type},
		{"ipv4", l.IPv4},
		{"ipv6", l.IPv6},
		{"node_tid", l.NodeTID},
	}
}

// InterfaceRow is one interface and its numbers, in the order of
// [InterfaceFamilies].
type InterfaceRow struct {
	InterfaceLabels
	Values [InterfaceMetrics]uint64
}

// InterfaceFamilies returns the metrics of interfaces: the names are the old
// connector's, which do not end in _total.
func InterfaceFamilies() [InterfaceMetrics]Family {
	family := func(name, unit, help string) Family {
		return Family{Name: "skydive_network_interface_" + name, Unit: unit, Help: help, Counter: true, Foreign: true}
	}
	return [InterfaceMetrics]Family{
		family("rx_bytes", "bytes", "Bytes received, from the host's kernel."),
		family("tx_bytes", "bytes", "Bytes sent."),
		family("rx_packets", "packets", "Packets received."),
		family("tx_packets", "packets", "Packets sent."),
		family("rx_dropped", "", "Received packets that were dropped."),
		family("tx_dropped", "", "Packets to send that were dropped."),
		family("rx_errors", "", "Bad packets received."),
		family("tx_errors", "", "Packets that could not be sent."),
		family("rx_missed_errors", "", "Received packets that the interface missed because its buffer was full."),
		family("tx_missed_errors", "", "Always 0, because Skydive does not report it. Kept from the old connector."),
		family("collisions", "", "Collisions while sending."),
	}
}
