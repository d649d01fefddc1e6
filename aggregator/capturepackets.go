// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"maps"
	"slices"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// packetRefreshes is within how many refreshes of the topology a reading must have changed
// three times to be current, 5 min at the default interval. Agents since Skydive 0.28 send
// the packets of a capture when it begins and when they connect, and never again
// (measured): an update in place has an empty list of changes.
const packetRefreshes = 15

// packetCounts are a capture's packets, by node. As with interfaces they are sampled as
// they are, without a zero.
type packetCounts struct {
	byNode  map[string]*nodePackets
	list    []*nodePackets // the same
	present int            // of them
}

// nodePackets are received and dropped packets on one node.
type nodePackets struct {
	tid             string
	latest, earlier [2]uint64 // earlier: before the capture restarted
	changed         [3]int    // the refreshes at which the reading changed, the latest first; 0: none
	present         bool      // the topology has the capture on the node
	old             bool      // not stated since a whole refresh began
}

// setPackets takes what has changed of the packets of captures. Packet series of a capture that
// is on no node any more end at the next tick.
func (cs *captures) setPackets(rows []input.CapturePackets, r input.Refresh) {
	if r.Whole {
		cs.whole = true
		cs.eachNode(func(_ string, n *nodePackets) { n.old = true })
	}
	for i := range rows {
		row := &rows[i]
		id := string(label.AppendUTF8(nil, row.CaptureID))
		if row.Gone {
			if p := cs.packets[id]; p != nil {
				cs.removePackets(id, p.byNode[string(row.NodeTID)])
			}
			continue
		}
		reading := [2]uint64{row.Received, row.Dropped}
		if n := cs.findPackets(id, row.NodeTID, reading); n != nil {
			n.set(reading, cs.refreshes+1)
		}
	}
	if !r.End {
		return
	}
	cs.refreshes++
	if cs.whole {
		cs.whole = false
		cs.eachNode(func(id string, n *nodePackets) {
			if n.old {
				cs.removePackets(id, n)
			}
		})
	}
}

// eachNode visits the packets of all captures on all nodes.
func (cs *captures) eachNode(do func(id string, n *nodePackets)) {
	for _, id := range slices.Sorted(maps.Keys(cs.packets)) {
		for _, n := range cs.packets[id].list {
			do(id, n)
		}
	}
}

// findPackets returns the packets of a capture on a node, which is present; nil: there is no
// room.
func (cs *captures) findPackets(id string, tid []byte, reading [2]uint64) *nodePackets {
	p := cs.packets[id]
	if p == nil {
		p = &packetCounts{byNode: map[string]*nodePackets{}}
	}
	n := p.byNode[string(tid)]
	if n == nil {
		if cs.packetNodes >= maxTables {
			return nil
		}
		n = &nodePackets{tid: string(tid), latest: reading}
		p.byNode[n.tid], p.list = n, append(p.list, n)
		cs.packets[id] = p
		cs.packetNodes++
	}
	if n.old = false; !n.present {
		n.present = true
		p.present++
	}
	return n
}

// removePackets notes that a capture is no longer on a node; nil: it was not known there. The
// node stays in the sum, which must not fall, while the capture is on another one.
func (cs *captures) removePackets(id string, n *nodePackets) {
	if n == nil || !n.present {
		return
	}
	n.present, n.old = false, false
	p := cs.packets[id]
	if p.present--; p.present == 0 {
		delete(cs.packets, id)
		cs.packetNodes -= len(p.list)
	}
}

// set records a reading. A lower one means that the capture restarted.
func (n *nodePackets) set(reading [2]uint64, refresh int) {
	if reading != n.latest {
		copy(n.changed[1:], n.changed[:])
		n.changed[0] = refresh
	}
	for i, v := range reading {
		if v < n.latest[i] {
			n.earlier[i] += n.latest[i]
		}
		n.latest[i] = v
	}
}

// fill puts the sum over all nodes into a row, which has packets where a reading is current.
func (p *packetCounts) fill(row *CaptureRow, refresh int) {
	row.PacketsReceived, row.PacketsDropped, row.HasPackets = 0, 0, false
	if p == nil {
		return
	}
	for _, n := range p.list {
		oldest := n.changed[len(n.changed)-1]
		row.HasPackets = row.HasPackets || oldest > 0 && refresh-oldest < packetRefreshes
		row.PacketsReceived += n.earlier[0] + n.latest[0]
		row.PacketsDropped += n.earlier[1] + n.latest[1]
	}
}
