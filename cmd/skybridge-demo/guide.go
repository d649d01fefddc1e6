// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
)

// guideQuery is a query that answers as soon as the first tick is pushed.
type guideQuery struct {
	Name, Query string
}

// guideQueries are offered on the terminal and on the query page. Both nodes
// see what goes from one to the other, so none of them adds node to node.
func guideQueries() []guideQuery {
	return []guideQuery{
		{"bytes per second of every connection", `rate(skydive_network_connection_total_bytes[1m])`},
		{"top pairs of hosts, in bits per second", `topk(5, max by (initiator_ip, target_ip) (sum by (initiator_ip, target_ip, node_tid) (rate(skydive_network_connection_total_bytes[1m])))) * 8`},
		{"bytes in the last 5 minutes by node and service, to the byte", `sum by (node_tid, target_ip, target_port) (increase(skydive_network_connection_total_bytes[5m] anchored))`},
		{"packets per second by node, protocol and direction", `sum by (node_tid, protocol, direction) (rate(skydive_network_connection_total_packets[1m]))`},
		{"round trip in milliseconds by target", `max by (target_ip) (skydive_network_connection_rtt_nanoseconds) / 1e6`},
		{"connections alive now, by node", `count by (node_tid) (skydive_network_connection_total_bytes) / 2`},
	}
}

// places is where the parts of a running demo are found.
type places struct {
	Feed       string // the analyzer's URL
	MadeUp     bool   // the feed is the demo's own
	Seed       uint64
	Bridge     string // base URL
	Prometheus string // base URL
	Config     string // the bridge's configuration file
}

// describe says what runs where.
func describe(w io.Writer, p places) {
	wait := "Waiting for the first push; a real Skydive reports once a minute by default …"
	feed := "a real Skydive"
	if p.MadeUp {
		wait = "Waiting for the first push …"
		feed = fmt.Sprintf("Skydive's own WebSocket server, made-up traffic of seed %d", p.Seed)
	}
	fmt.Fprintf(w, `skybridge demo: %s

  feed        %s
  bridge      %s/  and  %s/metrics
              configured by %s
  Prometheus  %s/  (query page; its API is under /api/v1/)

%s
`, feed, p.Feed, p.Bridge, p.Bridge, p.Config, p.Prometheus, wait)
}

// invite lists the queries, now that they answer.
func invite(w io.Writer, p places, series int) {
	fmt.Fprintf(w, "… done: %d series of bytes. These queries work now; paste one into %s/\n", series, p.Prometheus)
	for _, q := range guideQueries() {
		fmt.Fprintf(w, "\n  # %s\n  %s\n", q.Name, q.Query)
	}
	fmt.Fprintf(w, "\nOr from a shell:\n\n  curl -s %s/api/v1/query --data-urlencode 'query=%s'\n\nCtrl-C ends it.\n",
		p.Prometheus, strings.ReplaceAll(guideQueries()[0].Query, "'", `'\''`))
}
