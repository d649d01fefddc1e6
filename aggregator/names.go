// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// Names says what Skydive's topology calls nodes and addresses. Both methods are
// called for each record that counts, where labels need them, from any goroutine and
// with the aggregator's lock held: they must answer at once, from memory. What they
// are passed belongs to the caller. Answers may change; see labels.
type Names interface {
	// Node returns what is known of the node with this TID; the zero value where
	// nothing is. To be asked for an unknown one is a reason to look for it.
	Node(tid []byte) NodeNames
	// Address returns the name of what holds an address in Skydive's notation,
	// "" where it is unknown. Asking is a reason to look for it, as with Node.
	Address(addr []byte) string
}

// NodeNames are a node's name, its host, and its type in Skydive's words
// ("device", "veth", …). Each may be empty.
type NodeNames struct{ Name, Host, Type string }
