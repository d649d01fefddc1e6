// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// nodes are all nodes, by TID.
type nodes struct {
	records slab[*node] // nil: a free one
	byTID   map[string]*node
	busy    int           // how many have series
	expire  time.Duration // the largest of any, see [node.expire]
}

// get returns the node with that TID, adding it if there is none.
func (ns *nodes) get(tid string) *node {
	n, ok := ns.byTID[tid]
	if !ok {
		n = &node{id: ns.records.alloc(), nodes: ns, tid: tid}
		*ns.records.at(n.id) = n
		ns.byTID[tid] = n
	}
	return n
}

// sawExpire records an upper bound of how long after its last packet a flow ended.
func (n *node) sawExpire(age time.Duration) {
	n.expire = max(n.expire, age)
	n.nodes.expire = max(n.nodes.expire, age)
}

// addSeries counts series that begin on the node, or end where negative. The nil node is
// that of the overflow.
func (n *node) addSeries(change int) {
	if n == nil {
		return
	}
	was := n.series
	n.series += change
	switch {
	case was == 0 && n.series > 0:
		n.nodes.busy++
	case was > 0 && n.series == 0:
		n.nodes.busy--
		n.deleteIfUnused()
	}
}

// deleteIfUnused removes the node once nothing refers to it.
func (n *node) deleteIfUnused() {
	if n.origins == 0 && n.series == 0 && n.nodes.byTID[n.tid] == n {
		delete(n.nodes.byTID, n.tid)
		n.nodes.records.release(n.id)
	}
}
