// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import "github.com/skydive-project/skybridge/input"

// Names are what the topology's rows say that nodes and addresses are called. They are part of
// the aggregator's state, but for what is wanted. They are not safe for concurrent use.
type Names struct {
	nodes     nameTable[NodeNames]
	addresses nameTable[string]
	wanted    chan struct{}
}

// NodeNames are a node's name, its host, and its type in Skydive's words
// ("device", "veth", …). Each may be empty.
type NodeNames struct{ Name, Host, Type string }

// NewNames returns none yet, without a bound. What is evicted is reported, by kind.
func NewNames(evictedNode, evictedAddress func()) *Names {
	n := &Names{wanted: make(chan struct{}, 1)}
	want := func() {
		select {
		case n.wanted <- struct{}{}:
		default:
		}
	}
	n.nodes = newNameTable[NodeNames](evictedNode, want)
	n.addresses = newNameTable[string](evictedAddress, want)
	return n
}

// Bound bounds the names of nodes and those of addresses; 0: no bound. What was not used
// recently is evicted, and is wanted when it is used again.
func (n *Names) Bound(most int) {
	n.nodes.bound(most)
	n.addresses.bound(most)
}

// Len is how many nodes and addresses have names.
func (n *Names) Len() (nodes, addresses int) { return n.nodes.Len(), n.addresses.Len() }

// Node returns the names of a node; the zero value where they are unknown, which are then
// wanted.
func (n *Names) Node(tid []byte) NodeNames { return n.nodes.get(tid) }

// Address returns the name of an address in Skydive's notation; "" where it is unknown, which
// is then wanted.
func (n *Names) Address(addr []byte) string { return n.addresses.get(addr) }

// SetNodes takes rows of the topology.
func (n *Names) SetNodes(rows []input.NodeName, r input.Refresh) {
	n.nodes.begin(r)
	for i := range rows {
		row := &rows[i]
		n.nodes.set(row.TID, NodeNames{string(row.Name), string(row.Host), string(row.Type)}, row.Gone)
	}
	n.nodes.end(r)
}

// SetAddresses takes rows of the topology.
func (n *Names) SetAddresses(rows []input.AddressName, r input.Refresh) {
	n.addresses.begin(r)
	for i := range rows {
		n.addresses.set(rows[i].Address, string(rows[i].Name), rows[i].Gone)
	}
	n.addresses.end(r)
}

// Wanted receives when names that are unknown were asked for. It may be called concurrently.
func (n *Names) Wanted() <-chan struct{} { return n.wanted }

// TakeWanted returns what was asked for, is unknown, and was not returned before, as many as
// are kept. Each is returned once, until many others were, or it was known and is no more.
func (n *Names) TakeWanted() (nodes, addresses []string) {
	return n.nodes.wanted.take(), n.addresses.wanted.take()
}

// NameState is the state of the names of nodes, or of those of addresses.
type NameState[V any] struct {
	All   []Slot[V]
	Hand  int  // where the next look for one to evict begins
	Whole bool // a whole refresh has begun
}

// State returns all names. It must not be changed, and is valid until the next call of another
// method.
func (n *Names) State() (nodes NameState[NodeNames], addresses NameState[string]) {
	return n.nodes.state(), n.addresses.state()
}

// Restore replaces all names by what [Names.State] returned, and takes ownership of it. Not ok:
// it was not returned by that.
func (n *Names) Restore(nodes NameState[NodeNames], addresses NameState[string]) (ok bool) {
	return n.nodes.restore(nodes) && n.addresses.restore(addresses)
}
