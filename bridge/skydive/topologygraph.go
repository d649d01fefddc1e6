// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/aggregator"
)

// maxTopologyAnalyzers is how many analyzers are asked for the topology; every
// one of a cluster knows all of it.
const maxTopologyAnalyzers = 64

// olderRounds is how many rounds in a row an older revision of a node is not
// believed: an analyzer can lag behind another that is out of reach now. After
// that the node has begun to count its revisions anew.
const olderRounds = 3

// topologyGraph is the topology as all analyzers tell it, each node once. Not
// safe for concurrent use.
type topologyGraph struct {
	nodes map[string]*heldNode // by ID
	limit int                  // of nodes
}

// heldNode is a node and who told of it.
type heldNode struct {
	node   topologyNode
	parent string // ID of the node that it is a part of, where that has containers
	told   uint64 // bits of the analyzers whose latest answer has it
	older  int    // rounds in a row in which only an older revision was told

	fresh  bool // told in this round
	denied bool // an analyzer that told of it does not any more
	shown  bool // its interface is exported
}

// topologyAnswer is what one analyzer says.
type topologyAnswer struct {
	bit       uint64
	nodes     map[string]topologyNode // by ID
	parents   map[string]string       // by child
	malformed int
	addresses int // of all nodes
	skipped   int // over the limit
}

// stride looks at a context once in many steps of a loop.
type stride struct {
	ctx  context.Context
	step int
}

// over says whether the context has ended, at the first step and at every 1,024th.
func (s *stride) over() bool {
	s.step++
	return s.step%1024 == 1 && s.ctx.Err() != nil
}

// addressesPerNode is how many addresses a node may have on average.
const addressesPerNode = 4

// accept takes a node into an answer. Over the limit only what is known already is
// taken: the order of an answer is random, and the same ones should stay. Where there
// are too many addresses in all, a node is taken without.
func (g *topologyGraph) accept(a *topologyAnswer, n topologyNode) {
	if len(a.nodes) >= g.limit && g.nodes[n.id] == nil {
		a.skipped++
		return
	}
	was := a.nodes[n.id]
	a.addresses -= was.addresses()
	if count := n.addresses(); a.addresses+count > addressesPerNode*g.limit {
		n.ipv4, n.ipv6, n.ports = nil, nil, nil
		n.cut += count
	}
	a.addresses += n.addresses()
	a.nodes[n.id] = n
}

// merge makes the graph what the answers of a round say. A node is gone when no
// answer has it and one of those who told of it answered; what only analyzers out
// of reach told of stays. It returns how many nodes there was no room for. It ends
// early with ctx, with half a graph that is not to be used.
func (g *topologyGraph) merge(ctx context.Context, answers []*topologyAnswer) (skipped int) {
	best := map[string]topologyNode{}
	parents := map[string]string{}
	for _, h := range g.nodes {
		h.fresh, h.denied = false, false
	}
	work := stride{ctx: ctx}
	var answered uint64
	for _, a := range answers {
		if ctx.Err() != nil {
			return skipped
		}
		answered |= a.bit
		skipped += a.skipped
		maps.Copy(parents, a.parents)
		for id, n := range a.nodes {
			if b, ok := best[id]; ok {
				packets := mostPackets(n.captures, b.captures)
				if n.revision <= b.revision {
					n = b
				}
				n.captures = packets
			}
			best[id] = n
		}
		for id, h := range g.nodes {
			if _, has := a.nodes[id]; !has && h.told&a.bit != 0 {
				h.told &^= a.bit
				h.denied = true
			}
		}
	}
	for id, n := range best {
		if work.over() {
			return skipped
		}
		h := g.nodes[id]
		switch {
		case h != nil && n.revision < h.node.revision && h.older < olderRounds:
			h.older++
		case h != nil:
			if h.told&^answered != 0 { // one that is out of reach may know more
				n.captures = mostPackets(n.captures, h.node.captures)
			}
			h.node, h.older = n, 0
		case len(g.nodes) >= g.limit:
			skipped++
			continue
		default:
			h = &heldNode{node: n}
			g.nodes[id] = h
		}
		h.fresh, h.parent = true, parents[id]
		for _, a := range answers {
			if _, has := a.nodes[id]; has {
				h.told |= a.bit
			}
		}
	}
	for id, h := range g.nodes {
		if !h.fresh && (h.denied || h.told == 0) {
			delete(g.nodes, id)
		}
	}
	return skipped
}

// forget drops what only the analyzer of that bit told.
func (g *topologyGraph) forget(bit uint64) {
	for id, h := range g.nodes {
		if h.told &^= bit; h.told == 0 {
			delete(g.nodes, id)
		}
	}
}

// byTID returns the nodes that can be captured on. The same TID is the same
// thing: the node that was made last tells of it.
func (g *topologyGraph) byTID() map[string]*heldNode {
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
func interfaces(nodes map[string]*heldNode, limit int) (rows []aggregator.InterfaceRow, more, cut int) {
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
		n := &h.node
		ipv4, cut4 := joinAddresses(n.ipv4)
		ipv6, cut6 := joinAddresses(n.ipv6)
		cut += cut4 + cut6
		rows = append(rows, aggregator.InterfaceRow{
			InterfaceLabels: aggregator.InterfaceLabels{
				Name: n.name, Host: n.host, Type: n.kind, NodeTID: n.tid,
				IPv4: ipv4, IPv6: ipv6,
			},
			Values: n.metric,
		})
	}
	return rows, more, cut
}

// captures returns the captures on the nodes.
func captures(nodes map[string]*heldNode) (rows []aggregator.CapturePackets) {
	for _, h := range nodes {
		rows = append(rows, h.node.captures...)
	}
	return rows
}

// mostPackets returns the captures of both, each with the higher numbers: packets are
// cumulative, and an analyzer can have them from long before while its node is the
// latest revision.
func mostPackets(a, b []aggregator.CapturePackets) []aggregator.CapturePackets {
	if len(b) == 0 {
		return a
	}
	most := slices.Clone(a)
	for _, c := range b {
		i := slices.IndexFunc(most, func(m aggregator.CapturePackets) bool { return m.CaptureID == c.CaptureID })
		switch {
		case i >= 0:
			most[i].Received, most[i].Dropped = max(most[i].Received, c.Received), max(most[i].Dropped, c.Dropped)
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
