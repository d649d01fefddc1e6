// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/aggregator"
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
	node   node
	parent string // ID of the node that it is a part of, where that has containers
	older  int    // rounds in a row in which only an older revision was reported
	shown  bool   // its interface is exported
}

// answer is what one analyzer reports.
type answer struct {
	nodes     map[string]node   // by ID
	parents   map[string]string // by child
	malformed int
	addresses int // of all nodes
	skipped   int // over the limit
}

func newAnswer() *answer {
	return &answer{nodes: map[string]node{}, parents: map[string]string{}}
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
func (g *graph) accept(a *answer, n node) {
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

// combine makes the graph what the analyzers report: the fresh answers, of this round,
// the latest revision of each node; and of those kept, of analyzers that did not answer,
// what no fresh one has. It returns how many nodes there was no room for. It ends
// early with ctx, and the graph is what it was.
func (g *graph) combine(ctx context.Context, fresh, kept []*answer) (skipped int) {
	was, nodes, known := g.nodes, make(map[string]*heldNode, len(g.nodes)), len(g.nodes)
	work := stride{ctx: ctx}
	for i, a := range slices.Concat(fresh, kept) {
		isFresh := i < len(fresh)
		if isFresh {
			skipped += a.skipped
		}
		for id, n := range a.nodes {
			if work.over() {
				return skipped
			}
			h, old := nodes[id], was[id]
			switch {
			case h != nil:
				packets := mostPackets(n.captures, h.node.captures)
				if isFresh && n.revision > h.node.revision {
					h.node = n
				}
				h.node.captures, h.parent = packets, cmp.Or(h.parent, a.parents[id])
				continue
			case old != nil:
			case known < g.limit:
				known++
			default:
				skipped++
				continue
			}
			nodes[id] = &heldNode{node: n, parent: a.parents[id], shown: old != nil && old.shown}
		}
	}
	for id, h := range nodes {
		if old := was[id]; old != nil && h.node.revision < old.node.revision && old.older < olderRounds {
			h.node, h.older = old.node, old.older+1
		}
	}
	g.nodes = nodes
	return skipped
}

// retract takes from the answers kept what an analyzer reported before and does not now:
// that is gone, though others that know it cannot be reached.
func retract(before, now *answer, kept []*answer) {
	for id := range before.nodes {
		if !now.has(id) {
			for _, k := range kept {
				delete(k.nodes, id)
			}
		}
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
