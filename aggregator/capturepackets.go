// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "github.com/skydive-project/skybridge/aggregator/label"

// CapturePackets are the packets of one capture on one node since it began there, from
// Skydive's topology.
type CapturePackets struct {
	CaptureID, NodeTID string
	Received, Dropped  uint64
}

// packetRefreshes is within how many refreshes of the topology a reading must have changed
// three times to be current, 5 min at the default interval. Agents since Skydive 0.28 send
// the packets of a capture when it begins and when they connect, and never again
// (measured): an update in place has an empty list of changes.
const packetRefreshes = 15

// packetCounts are a capture's packets, by node. As with interfaces they are sampled as
// they are, without a zero, and are not durable.
type packetCounts struct {
	byNode map[string]*nodePackets
	list   []*nodePackets // the same
}

// nodePackets are received and dropped packets on one node.
type nodePackets struct {
	latest, earlier [2]uint64 // earlier: before the capture restarted
	changed         [3]int    // the refreshes at which the reading changed, the latest first; 0: none
}

// SetCaptures sets the packets of all captures that the topology has, with a row for each
// node. Packet series of missing captures end at the next tick. The slice is not retained.
func (a *Aggregator) SetCaptures(rows []CapturePackets) {
	a.hold.RLock()
	defer a.hold.RUnlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.captures.setPackets(rows)
}

func (cs *captures) setPackets(rows []CapturePackets) {
	now, nodes := map[string]*packetCounts{}, 0
	cs.refreshes++
	for i := range rows {
		r := &rows[i]
		id := string(label.AppendUTF8(nil, []byte(r.CaptureID)))
		if now[id] == nil {
			// A node that has left stays in the sum, which must not fall.
			if now[id] = cs.packets[id]; now[id] == nil {
				now[id] = &packetCounts{byNode: map[string]*nodePackets{}}
			}
			nodes += len(now[id].list)
		}
		p := now[id]
		n := p.byNode[r.NodeTID]
		if n == nil {
			if nodes++; nodes > maxTables {
				continue
			}
			n = &nodePackets{latest: [2]uint64{r.Received, r.Dropped}}
			p.byNode[r.NodeTID], p.list = n, append(p.list, n)
		}
		n.set([2]uint64{r.Received, r.Dropped}, cs.refreshes)
	}
	cs.packets = now
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
