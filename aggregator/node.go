// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// nodes holds the capture points by topology id.
type nodes struct {
	byTID  map[string]*node
	busy   int           // how many have series
	expire time.Duration // the largest of any, see [node.expire]
}

// get returns the node of that id, which is made if need be.
func (ns *nodes) get(tid string) *node {
	n, ok := ns.byTID[tid]
	if !ok {
		n = &node{among: ns, tid: tid}
		ns.byTID[tid] = n
	}
	return n
}

// sawExpire takes how long after its last packet a flow ended, at most.
func (n *node) sawExpire(age time.Duration) {
	n.expire = max(n.expire, age)
	n.among.expire = max(n.among.expire, age)
}

// addSeries counts series that begin on the node, or end where negative. The nil
// node, which is that of the overflow, has none.
func (n *node) addSeries(change int) {
	if n == nil {
		return
	}
	was := n.series
	n.series += change
	switch {
	case was == 0 && n.series > 0:
		n.among.busy++
	case was > 0 && n.series == 0:
		n.among.busy--
		n.leave()
	}
}

// leave forgets the node once nothing refers to it.
func (n *node) leave() {
	if n.sources == 0 && n.series == 0 && n.among.byTID[n.tid] == n {
		delete(n.among.byTID, n.tid)
	}
}
