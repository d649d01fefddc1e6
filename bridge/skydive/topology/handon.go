// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// Sink takes what has changed in the topology, at most [input.MaxRows] rows at a time, which it
// must not retain. In each refresh all four are called, the last time with its end; the first
// refresh is whole. They are called from one goroutine.
type Sink interface {
	NodeNames([]input.NodeName, input.Refresh)
	AddressNames([]input.AddressName, input.Refresh)
	CapturePackets([]input.CapturePackets, input.Refresh)
	Interfaces([]input.Interface, input.Refresh)
	// NamesWanted receives when the sink misses names; TakeWantedNames returns of what, each
	// once.
	NamesWanted() <-chan struct{}
	TakeWantedNames() (nodes, addresses []string)
}

// stated is what the topology states. It does not change once it was handed on.
type stated struct {
	nodes      map[string]label.NodeNames // by TID
	addresses  map[string]string
	captures   map[captureKey]packets
	interfaces map[interfaceLabels]interfaceValues
}

type (
	captureKey      struct{ capture, tid string }
	packets         struct{ received, dropped uint64 }
	interfaceLabels struct{ tid, name, host, kind, ipv4, ipv6 string }
	interfaceValues [input.InterfaceMetrics]uint64
)

// handOn hands on what has changed, and beside that the names that are wanted and known.
func (t *Topology) handOn(sink Sink, now *stated) {
	was, whole := t.stated.Swap(now), !t.handedOn
	t.handedOn = true
	nodes, addresses := sink.TakeWantedNames()
	t.countUnknown(now, nodes, addresses)
	changes(whole, was.nodes, now.nodes, nodes, func(tid string, n label.NodeNames, gone bool) input.NodeName {
		return input.NodeName{TID: []byte(tid), Gone: gone, Name: []byte(n.Name), Host: []byte(n.Host), Type: []byte(n.Type)}
	}, sink.NodeNames)
	changes(whole, was.addresses, now.addresses, addresses, func(address, name string, gone bool) input.AddressName {
		return input.AddressName{Address: []byte(address), Gone: gone, Name: []byte(name)}
	}, sink.AddressNames)
	changes(whole, was.captures, now.captures, nil, func(k captureKey, p packets, gone bool) input.CapturePackets {
		return input.CapturePackets{CaptureID: []byte(k.capture), NodeTID: []byte(k.tid), Gone: gone, Received: p.received, Dropped: p.dropped}
	}, sink.CapturePackets)
	// Last, so that their names are known by then.
	changes(whole, was.interfaces, now.interfaces, nil, func(l interfaceLabels, v interfaceValues, gone bool) input.Interface {
		return input.Interface{
			NodeTID: []byte(l.tid), Name: []byte(l.name), Host: []byte(l.host), Type: []byte(l.kind),
			IPv4: []byte(l.ipv4), IPv6: []byte(l.ipv6), Gone: gone, Values: v,
		}
	}, sink.Interfaces)
}

// countUnknown counts what is wanted and has no name.
func (t *Topology) countUnknown(now *stated, nodes, addresses []string) {
	for _, tid := range nodes {
		if _, ok := now.nodes[tid]; !ok {
			t.metrics.unknown.WithLabelValues(nameNode).Inc()
		}
	}
	for _, address := range addresses {
		if _, ok := now.addresses[address]; !ok {
			t.metrics.unknown.WithLabelValues(nameAddress).Inc()
		}
	}
}

// changes hands on, in parts, a row for each key that has another value now, for each that is
// wanted, and for each that is gone: last, for a capture that moves must not be on no node.
func changes[K, V comparable, R any](whole bool, was, now map[K]V, wanted []K, row func(k K, v V, gone bool) R, to func([]R, input.Refresh)) {
	part := input.Refresh{Whole: whole}
	var rows []R
	add := func(k K, v V, gone bool) {
		if len(rows) == input.MaxRows {
			to(rows, part)
			rows, part.Whole = rows[:0], false
		}
		rows = append(rows, row(k, v, gone))
	}
	for k, v := range now {
		if old, ok := was[k]; !ok || old != v {
			add(k, v, false)
		}
	}
	for _, k := range wanted {
		if v, ok := now[k]; ok {
			add(k, v, false)
		}
	}
	for k, v := range was {
		if _, ok := now[k]; !ok {
			add(k, v, true)
		}
	}
	part.End = true
	to(rows, part)
}
