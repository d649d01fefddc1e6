// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package world makes the traffic that everything is measured with: numbered
// connections, each a TCP flow that one node captures, and what Skydive's analyzer
// reports of them. Nothing is random: the same number is always the same connection,
// so that both sides of a comparison get the same.
package world

import (
	"fmt"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

const (
	// Period is how often each connection is reported in ms: Skydive's flow.update.
	Period = 60_000
	// MessageFlows is how many flows an analyzer puts into one message at most.
	MessageFlows = 100

	nodes   = 16
	capture = "1500c9dc-1de8-4387-8324-38f83ad5dd9a"
)

// Flows returns what is reported of the connections from id on, n of them, in the
// given round, which is counted from 0. All began at begin, in ms.
func Flows(begin int64, id, n, round int) []analyzer.Flow {
	flows := make([]analyzer.Flow, n)
	for i := range flows {
		flows[i] = flow(begin, id+i, round)
	}
	return flows
}

func flow(begin int64, id, round int) analyzer.Flow {
	h := mix(uint64(id))
	// An agent reports its own connections: neighbours share the node, and one end is
	// an address of that node. The other end is anybody.
	node := id / MessageFlows % nodes
	client := uint32(id) * 0x9e3779b1 & (1<<21 - 1) // each of 2^21 once, for the factor is odd
	server := node*4 + int(h>>24)&3
	last, metric := &analyzer.Metric{}, &analyzer.Metric{}
	extra := int64(id % 7)
	*last = analyzer.Metric{
		ABPackets: 20 + extra, ABBytes: 18_000 + extra, BAPackets: 15 + extra, BABytes: 2_700 + extra,
		Start: begin + int64(round)*Period, Last: begin + int64(round+1)*Period, RTT: 180_000 + int64(id%1000)*100,
	}
	*metric = *last
	metric.Start = begin
	for _, n := range []*int64{&metric.ABPackets, &metric.ABBytes, &metric.BAPackets, &metric.BABytes} {
		*n *= int64(round + 1)
	}
	return analyzer.Flow{
		UUID: strconv.FormatUint(h, 16), LayersPath: "Ethernet/IPv4/TCP", Application: "TCP",
		Link: &analyzer.Layer{Protocol: "ETHERNET", A: "fe:a9:81:8e:96:84", B: "0e:4e:ca:c3:18:23"},
		Network: &analyzer.Layer{
			Protocol: "IPV4", A: fmt.Sprintf("10.%d.%d.%d", client>>16, client>>8&255, client&255), B: fmt.Sprintf("192.168.%d.%d", server>>8, server&255),
		},
		Transport:        &analyzer.Transport{Protocol: "TCP", A: 32768 + int64(uint64(id)>>21+h>>40)%28000, B: 443},
		LastUpdateMetric: last, Metric: metric, Start: begin, Last: metric.Last,
		TrackingID: strconv.FormatUint(mix(h), 16), L3TrackingID: strconv.FormatUint(mix(mix(h)), 16),
		NodeTID: fmt.Sprintf("%08x-5f0a-5b7e-%04x-2f1d0e9c8b7a", uint32(mix(uint64(node))), node), CaptureID: capture,
	}
}

// Series calls add with the five series of each connection up to n, as the bridge names
// them, and whether it is a counter.
func Series(n int, add func(l labels.Labels, counter bool)) {
	for id := range n {
		f := flow(0, id, 0)
		for i, metric := range []string{"total_bytes", "total_packets", "rtt_nanoseconds", "total_bytes", "total_packets"} {
			add(labels.FromStrings(
				model.MetricNameLabel, "skydive_network_connection_"+metric,
				"direction", []string{"initiator_to_target", "target_to_initiator"}[i/3],
				"initiator_ip", f.Network.A, "initiator_port", strconv.FormatInt(f.Transport.A, 10),
				"node_tid", f.NodeTID, "protocol", f.Transport.Protocol,
				"target_ip", f.Network.B, "target_port", strconv.FormatInt(f.Transport.B, 10),
			), i != 2)
		}
	}
}

// mix spreads numbers over all 64 bits; no two have the same image (the finalizer of
// splitmix64). Neighbours have nothing in common, as hashes of Skydive's have not.
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
