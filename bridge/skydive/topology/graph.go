// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/aggregator/label"
)

// olderRounds is how many rounds in a row an older revision of a node is not
// believed: an analyzer can lag behind another that is out of reach now. After
// that the node has begun to count its revisions from the start.
const olderRounds = 3

// graph is the topology as all analyzers report it, each node once. Not safe for
// concurrent use.
type graph struct {
	nodes map[string]*heldNode // by ID
	limit int                  // of nodes
}

// heldNode is a node of the graph.
type heldNode struct {
	node   *node
	by     uint64 // the analyzers whose latest answer has it, a bit each
	latest *node  // the latest revision in the round under way
	older  int    // rounds in a row in which only an older revision was reported
	shown  bool   // its interface is exported
}

// answer is what one analyzer reports.
type answer struct {
	by        uint64           // the bit of the analyzer
	nodes     map[string]*node // by ID
	malformed int
	addresses int // of all nodes
	skipped   int // over the limit
}

// addressesPerNode is how many addresses a node may have on average.
const addressesPerNode = 4

// accept takes a node into an answer. Over the limit only what is known already is
// taken: the order of an answer is random, and the same ones should stay. Where there
// are too many addresses in all, a node is taken without.
func (g *graph) accept(a *answer, n *node) {
	if len(a.nodes) >= g.limit && g.nodes[n.id] == nil {
		a.skipped++
		return
	}
	if was := a.nodes[n.id]; was != nil {
		a.addresses -= was.addresses()
	}
	if count := n.addresses(); a.addresses+count > addressesPerNode*g.limit {
		n.ipv4, n.ipv6, n.ports = nil, nil, nil
		n.cut += count
	}
	a.addresses += n.addresses()
	a.nodes[n.id] = n
}

// take makes the graph what the analyzers report in a round, the latest revision of each
// node. What only those know that do not answer stays; what one that answers reported
// before and does not now is gone, unless another one that answers has it. It returns how
// many nodes there was no room for.
func (g *graph) take(answers []*answer) (skipped int) {
	for id, h := range g.nodes {
		h.latest = nil
		away := h.by
		for _, a := range answers {
			if h.by&a.by != 0 && a.nodes[id] == nil {
				away = 0
			}
			away &^= a.by
		}
		h.by = away
	}
	for _, a := range answers {
		skipped += a.skipped
		for id, n := range a.nodes {
			h := g.nodes[id]
			switch {
			case h != nil:
			case len(g.nodes) < g.limit:
				h = &heldNode{}
				g.nodes[id] = h
			default:
				skipped++
				continue
			}
			h.add(n)
			h.by |= a.by
		}
	}
	for id, h := range g.nodes {
		switch {
		case h.by == 0:
			delete(g.nodes, id)
		case h.latest == nil:
		case h.node != nil && h.latest.revision < h.node.revision && h.older < olderRounds:
			h.older++
		default:
			h.node, h.older = h.latest, 0
		}
	}
	return skipped
}

// add takes what one analyzer reports of the node. Packets are cumulative, and one can
// have them from long before while its node is not the latest revision, or while it is
// out of reach.
func (h *heldNode) add(n *node) {
	also := h.latest
	if also == nil && h.by != 0 {
		also = h.node
	}
	if h.latest == nil || n.revision > h.latest.revision {
		h.latest = n
	}
	if also != nil {
		h.latest.captures, h.latest.parent = mostPackets(n.captures, also.captures), cmp.Or(n.parent, also.parent)
	}
}

// forget removes an analyzer that is not asked any more: what no other one has is gone
// in the next round.
func (g *graph) forget(by uint64) {
	for _, h := range g.nodes {
		h.by &^= by
	}
}

// byTID returns the nodes that can be captured on. The same TID is the same
// thing: the node that was made last counts.
func (g *graph) byTID() map[string]*heldNode {
	out := make(map[string]*heldNode, len(g.nodes))
	for _, h := range g.nodes {
		if h.node.tid == "" {
			continue
		}
		if o := out[h.node.tid]; o == nil || cmp.Or(cmp.Compare(h.node.created, o.node.created), strings.Compare(h.node.id, o.node.id)) > 0 {
			out[h.node.tid] = h
		}
	}
	return out
}

// interfaces returns the network interfaces among nodes, at most limit, how many
// more there are, and how many addresses had no room in a label. Those that were
// among them stay.
func interfaces(nodes map[string]*heldNode, limit int) (all map[interfaceLabels]interfaceValues, more, cut int) {
	all = map[interfaceLabels]interfaceValues{}
	shown := 0
	for _, h := range nodes {
		if h.node.ether && h.shown {
			shown++
		}
	}
	for _, h := range nodes {
		if !h.node.ether {
			continue
		}
		if !h.shown {
			if shown >= limit {
				more++
				continue
			}
			h.shown = true
			shown++
		}
		n := h.node
		ipv4, cut4 := joinAddresses(n.ipv4)
		ipv6, cut6 := joinAddresses(n.ipv6)
		cut += cut4 + cut6
		all[interfaceLabels{n.tid, n.name, n.host, n.kind, ipv4, ipv6}] = n.metric
	}
	return all, more, cut
}

// names returns what nodes are called.
func names(nodes map[string]*heldNode) map[string]label.NodeNames {
	all := make(map[string]label.NodeNames, len(nodes))
	for tid, h := range nodes {
		all[tid] = label.NodeNames{Name: h.node.name, Host: h.node.host, Type: h.node.kind}
	}
	return all
}

// captures returns the captures on the nodes.
func captures(nodes map[string]*heldNode) map[captureKey]packets {
	all := map[captureKey]packets{}
	for _, h := range nodes {
		for _, c := range h.node.captures {
			all[captureKey{c.id, h.node.tid}] = c.packets
		}
	}
	return all
}

// mostPackets returns the captures of both, each with the higher numbers.
func mostPackets(a, b []capture) []capture {
	if len(b) == 0 {
		return a
	}
	most := slices.Clone(a)
	for _, c := range b {
		i := slices.IndexFunc(most, func(m capture) bool { return m.id == c.id })
		switch {
		case i >= 0:
			most[i].received, most[i].dropped = max(most[i].received, c.received), max(most[i].dropped, c.dropped)
		case len(most) < maxHeld:
			most = append(most, c)
		}
	}
	return most
}

// joinAddresses makes a label's value of addresses: sorted, and as many whole ones
// as receivers take. It returns how many are left out.
func joinAddresses(list []string) (joined string, cut int) {
	sorted := slices.Compact(slices.Sorted(slices.Values(list)))
	var b strings.Builder
	for _, a := range sorted {
		if a == "" {
			continue
		}
		if b.Len()+len(a) >= maxAddresses {
			cut++
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(a)
	}
	return b.String(), cut
}
