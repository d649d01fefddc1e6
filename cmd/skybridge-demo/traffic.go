// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/script"
)

// sites is the number of places, each with one node that captures.
const sites = 2

// firstUpdate is when the agents report for the first time after the bridge came.
const firstUpdate = 2 * time.Second

// trafficOptions shape the made-up network.
type trafficOptions struct {
	Seed   uint64
	Update time.Duration // flow.update of its agents
	Expire time.Duration // flow.expire of its agents
}

// traffic writes what is reported of the network from now on.
func (o trafficOptions) traffic(now time.Time) *script.Writer {
	return script.New(script.Options{
		Seed: o.Seed, Network: network(), Points: sites, Now: now.UnixMilli(),
		Step: o.Update.Milliseconds(), Expire: max(1, int64(o.Expire/o.Update)),
	})
}

// host is an IPv4 host of a site, 0 or 1; host6 an IPv6 one.
func host(site, n int) string  { return fmt.Sprintf("10.42.%d.%d", site, n) }
func host6(site, n int) string { return fmt.Sprintf("fd42:0:0:%d::%x", site, n) }

// network is who talks to whom. Where only one site sees a connection, it is named.
func network() []script.Connection {
	first, second := []int{0}, []int{1}
	all := []script.Connection{
		// A long upload and a long replication, in waves that a graph shows.
		{A: host(0, 11), PortA: 41873, B: host(1, 20), PortB: 873, Protocol: "TCP", Activity: 1, Rate: 5e6, Wave: 2 * time.Minute},
		{A: host6(1, 31), PortA: 52100, B: host6(0, 32), PortB: 6379, Protocol: "TCP", Activity: 1, Rate: 75e4, Wave: 45 * time.Second},
		{A: host(1, 40), PortA: 5004, B: host(1, 41), PortB: 5004, Protocol: "UDP", Activity: 1, Rate: 1e6, Points: second}, // a camera
		{A: host(0, 2), PortA: 61000, B: host(1, 21), PortB: 8080, Protocol: "TCP", Activity: 1, Rate: 100},                 // a health check
		{A: host(0, 15), PortA: 123, B: host(1, 1), PortB: 123, Protocol: "UDP", Application: "UDP", Activity: 0.3, Rate: 2},
		{A: host6(0, 15), PortA: 123, B: host6(1, 1), PortB: 123, Protocol: "UDP", Application: "UDP", Activity: 0.3, Rate: 2},
		{A: host(0, 15), B: host(1, 1), Protocol: "ICMPv4", Activity: 1, Rate: 98},
		{A: host6(0, 15), B: host6(1, 1), Protocol: "ICMPv6", Application: "ICMPv6Echo", Activity: 1, Rate: 40},
		{Protocol: "ARP", Application: "ARP", Activity: 0.5, Rate: 4, Points: first},
		{Protocol: "ARP", Application: "ARP", Activity: 0.5, Rate: 4, Points: second},
	}
	for n := range 5 {
		all = append(all, script.Connection{A: host(0, 15), PortA: int64(40000 + n), B: host(1, 30), PortB: 5432, Protocol: "TCP", Activity: 0.9, Rate: -20e3})
		// Somebody who types, and often is idle for longer than flow.expire.
		all = append(all, script.Connection{A: host(0, 50+n), PortA: int64(50000 + n), B: host(1, 21), PortB: 22, Protocol: "TCP", Activity: 0.15, Rate: -300})
	}
	for n := range 60 { // browsers, and the names that they ask for
		from, to := host(0, 20+n%6), host(1, 80+n%4)
		if n%3 == 0 {
			from, to = host6(0, 20+n%6), host6(1, 80+n%4)
		}
		all = append(all,
			script.Connection{A: from, B: to, PortB: 443, Protocol: "TCP", Activity: 0.8, Rate: -30e3, Short: true},
			script.Connection{A: host(0, 20+n%6), B: host(0, 53), PortB: 53, Protocol: "UDP", Application: "DNS", Activity: 0.2, Rate: -20, Short: true, Points: first})
	}
	for port := range 24 { // a scanner, who is refused
		all = append(all, script.Connection{A: host(1, 66), B: host(0, 15), PortB: int64(1 + port*37), Protocol: "TCP", Activity: 0.2, Rate: 1, Short: true})
	}
	return all
}

// topology is what the analyzer knows of the places: the interface that each
// captures on, and those of the servers, so that addresses have names.
func topology(captures []script.Capture, now time.Time) (nodes []json.RawMessage) {
	add := func(tid, host, name, more string) {
		nodes = append(nodes, fmt.Appendf(nil, `{"ID":%q,"Host":%q,"CreatedAt":1,"Revision":%d,"Metadata":{"TID":%q,"Name":%q,"EncapType":"ether",%s}}`,
			tid, host, now.UnixMilli(), tid, name, more))
	}
	for site, c := range captures {
		// A switch hands on whatever it receives.
		add(c.NodeTID, fmt.Sprintf("site-%d", site), "br0", fmt.Sprintf(
			`"Type":"bridge","Captures":[{"PacketsReceived":%d,"PacketsDropped":%d,"PacketsIfDropped":0,"ID":%q,"State":"active","Type":"pcap"}],"Metric":{"RxBytes":%d,"TxBytes":%d,"RxPackets":%d,"TxPackets":%d,"RxDropped":%d}`,
			c.Packets, dropped(c), c.CaptureID, c.Bytes, c.Bytes, c.Packets, c.Packets, dropped(c)))
	}
	for _, server := range []struct {
		site, n int
		name    string
	}{{1, 20, "backup"}, {1, 21, "web"}, {1, 30, "database"}, {1, 40, "camera"}, {0, 53, "resolver"}} {
		add(fmt.Sprintf("5f0a5b7e-0000-5000-8000-%012d", server.n), server.name, "eth0",
			fmt.Sprintf(`"Type":"veth","IPV4":["%s/24"],"Metric":{}`, host(server.site, server.n)))
	}
	return nodes
}

// dropped is how many packets a capture has missed.
func dropped(c script.Capture) int64 { return c.Packets / 2000 }

// sender is the analyzer that the traffic is reported through.
type sender interface {
	Wait(ctx context.Context, ok func([]analyzer.Subscriber) bool) error
	SendFlows([]analyzer.Flow)
	SendStats(analyzer.Stats)
	SetTopology(nodes, edges []json.RawMessage)
}

// play lets the network live in real time, from when somebody is subscribed until ctx is
// done. Each capture has statistics every 10 s.
func play(ctx context.Context, o trafficOptions, to sender) {
	now := time.Now()
	w := o.traffic(now.Add(firstUpdate - o.Update))
	messages := w.Hello()
	to.SetTopology(topology(w.Captures(), now), nil)
	if to.Wait(ctx, func(all []analyzer.Subscriber) bool { return len(all) > 0 }) != nil {
		return // the demo is over
	}
	update, stats := time.NewTimer(firstUpdate), time.NewTicker(10*time.Second)
	defer update.Stop()
	defer stats.Stop()
	for {
		for _, m := range messages {
			to.SendFlows(m.Flows)
		}
		messages = nil
		select {
		case <-ctx.Done():
			return
		case <-update.C:
			update.Reset(o.Update)
			messages = w.Step()
			to.SetTopology(topology(w.Captures(), time.Now()), nil)
		case <-stats.C:
			for _, c := range w.Captures() {
				// Skydive adds up ten readings of what is cumulative.
				to.SendStats(analyzer.Stats{CaptureID: c.CaptureID, FlowCount: c.Flows, PacketsReceived: 10 * c.Packets, PacketsDropped: 10 * dropped(c)})
			}
		}
	}
}
