// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// CapturePackets is what Skydive's topology says of one capture on one node: packets
// since the capture began there.
type CapturePackets struct {
	CaptureID, NodeTID string
	Received, Dropped  uint64
}

// packetCounts are a capture's packets, by node. Like those of interfaces the
// numbers are sampled as they are, without a zero, and nothing of them is durable.
type packetCounts map[string]*nodePackets

// nodePackets are received and dropped packets on one node.
type nodePackets struct {
	latest, earlier [2]uint64 // earlier: before the capture restarted
}

// SetCaptures says which captures the topology has, and their packets. Of those that
// are missing the series of packets end at the next tick. The slice is not retained;
// a capture may be there once for each node.
func (a *Aggregator) SetCaptures(rows []CapturePackets) {
	a.hold.RLock()
	defer a.hold.RUnlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.captures.setPackets(rows)
}

func (cs *captures) setPackets(rows []CapturePackets) {
	now, nodes := map[string]packetCounts{}, 0
	for i := range rows {
		r := &rows[i]
		id := string(appendText(nil, []byte(r.CaptureID)))
		if now[id] == nil {
			// A node that has left stays in the sum, or the sum would fall.
			if now[id] = cs.packets[id]; now[id] == nil {
				now[id] = packetCounts{}
			}
			nodes += len(now[id])
		}
		n := now[id][r.NodeTID]
		if n == nil {
			if nodes++; nodes > maxTables {
				continue
			}
			n = &nodePackets{}
			now[id][r.NodeTID] = n
		}
		n.set([2]uint64{r.Received, r.Dropped})
	}
	cs.packets = now
}

// set takes a reading. One that is lower is of a capture that restarted.
func (n *nodePackets) set(reading [2]uint64) {
	for i, v := range reading {
		if v < n.latest[i] {
			n.earlier[i] += n.latest[i]
		}
		n.latest[i] = v
	}
}

// fill puts the sum over all nodes into a row.
func (p packetCounts) fill(row *CaptureRow) {
	row.PacketsReceived, row.PacketsDropped, row.HasPackets = 0, 0, p != nil
	for _, n := range p {
		row.PacketsReceived += n.earlier[0] + n.latest[0]
		row.PacketsDropped += n.earlier[1] + n.latest[1]
	}
}
