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

// guideQueries are offered on the terminal and on the query page; the first is
// what the page draws at once. Both nodes see what goes from one to the other,
// so none of them adds node to node.
func guideQueries(r ranges) []guideQuery {
	minute, exact := promQL(r.minute()), promQL(r.exact())
	return []guideQuery{
		{"bytes per second of every connection", `rate(skydive_network_connection_total_bytes[` + minute + `])`},
		{"top pairs of hosts, in bits per second", `topk(5, max by (initiator_ip, target_ip) (sum by (initiator_ip, target_ip, node_tid) (rate(skydive_network_connection_total_bytes[` + exact + `])))) * 8`},
		{"bytes in the last 5 minutes by node and service, to the byte", `sum by (node_tid, target_ip, target_port) (increase(skydive_network_connection_total_bytes[5m] anchored))`},
		{"packets per second by node, protocol and direction", `sum by (node_tid, protocol, direction) (rate(skydive_network_connection_total_packets[` + exact + `]))`},
		{"round trip in milliseconds by target", `max by (target_ip) (skydive_network_connection_rtt_nanoseconds) / 1e6`},
		{"bytes that interfaces received since they are up, as their kernels count", `skydive_network_interface_rx_bytes > 0`},
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
	Ranges     ranges // of the queries
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
  bridge      %s/  (status page: top connections)  and  %s/metrics
              configured by %s
  Prometheus  %s/  (query page; its API is under /api/v1/)

%s
`, feed, p.Feed, p.Bridge, p.Bridge, p.Config, p.Prometheus, wait)
}

// invite lists the queries, now that they answer.
func invite(w io.Writer, p places, series int) {
	fmt.Fprintf(w, "… done: %d series of bytes. These queries work now; paste one into %s/\n", series, p.Prometheus)
	for _, q := range guideQueries(p.Ranges) {
		fmt.Fprintf(w, "\n  # %s\n  %s\n", q.Name, q.Query)
	}
	fmt.Fprintf(w, `
A rate is right over whole flow.updates plus one push interval: %s here, from
flow.update %s and push_interval %s.
"anchored" needs Prometheus 3 with --enable-feature=promql-extended-range-selectors,
which the demo has: docs/explanation/counting.md#reading-the-counters.
Prometheus may remark "metric might not be a counter" on an answer. That is
harmless: they are counters, under the names that the old connector gave them.
`, promQL(p.Ranges.exact()), p.Ranges.update, p.Ranges.push)
	fmt.Fprintf(w, "\nOr from a shell:\n\n  curl -s %s/api/v1/query --data-urlencode 'query=%s'\n\nCtrl-C ends it.\n",
		p.Prometheus, strings.ReplaceAll(guideQueries(p.Ranges)[0].Query, "'", `'\''`))
}
