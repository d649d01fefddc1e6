// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
)

// topology is what the analyzer knows of the places: the interface that each
// captures on, and those of the servers, so that addresses have names.
func (w *world) topology() (nodes []json.RawMessage) {
	add := func(tid, host, name, more string) {
		nodes = append(nodes, fmt.Appendf(nil, `{"ID":%q,"Host":%q,"CreatedAt":%d,"Revision":%d,"Metadata":{"TID":%q,"Name":%q,"EncapType":"ether",%s}}`,
			tid, host, w.start, w.now, tid, name, more))
	}
	for site, t := range w.tables {
		// A switch hands on whatever it receives.
		add(t.nodeTID, fmt.Sprintf("site-%d", site), "br0", fmt.Sprintf(
			`"Type":"bridge","Captures":[{"PacketsReceived":%d,"PacketsDropped":%d,"PacketsIfDropped":0,"ID":%q,"State":"active","Type":"pcap"}],"Metric":{"RxBytes":%d,"TxBytes":%d,"RxPackets":%d,"TxPackets":%d,"RxDropped":%d}`, t.packets, t.dropped, t.captureID, t.bytes, t.bytes, t.packets, t.packets, t.dropped))
	}
	for _, server := range []struct {
		site, n int
		name    string
	}{{1, 20, "backup"}, {1, 21, "web"}, {1, 30, "database"}, {1, 40, "camera"}, {0, 53, "resolver"}} {
		add(hash(conversation{}, int64(server.n), server.name), server.name, "eth0",
			fmt.Sprintf(`"Type":"veth","IPV4":["%s/24"],"Metric":{}`, host4(server.site, server.n)))
	}
	return nodes
}
