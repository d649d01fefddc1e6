// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/bridge/web/connections"
)

// endView is how one end of a connection is shown, by whatever labels there are:
// what a person calls it, and what it is exactly.
type endView struct{ Main, Sub string }

// endOf returns the view of an end, "initiator" or "target", and what else is known as its
// name.
func endOf(c *connections.Connection, end, known string) endView {
	if c.Overflow {
		return endView{Main: overflowWord}
	}
	name := cmp.Or(c.Labels[end+"_name"], known)
	address, port := c.Labels[end+"_ip"], c.Labels[end+"_port"]
	switch {
	case address == "" && port != "":
		address = "port " + port
	case port != "" && strings.Contains(address, ":"):
		address = "[" + address + "]:" + port
	case port != "":
		address += ":" + port
	}
	shown := slices.DeleteFunc([]string{name, address, c.Labels[end+"_network"]}, func(s string) bool { return s == "" })
	if len(shown) == 0 {
		return endView{Main: anyWord}
	}
	return endView{shown[0], strings.Join(shown[1:], " · ")}
}

const (
	// overflowWord and anyWord stand for ends that no label tells.
	overflowWord = "others"
	anyWord      = "any"
)

// whereOf says in two lines what a connection is and where it was seen.
func whereOf(c *connections.Connection) endView {
	node, host := cmp.Or(c.Labels["node_name"], c.Names.Node), cmp.Or(c.Labels["host"], c.Names.Host)
	if tid := c.Labels["node_tid"]; node == "" && !c.Overflow {
		node = tid
		if len(tid) == 36 { // a UUID; its beginning tells nodes apart
			node = tid[:8] + "…"
		}
	}
	join := func(parts ...string) string {
		return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
	}
	return endView{
		join(c.Labels["protocol"], c.Labels["application"], c.Labels["flow_class"]),
		join(node, c.Labels["node_type"], host, c.Labels["capture_id"]),
	}
}
