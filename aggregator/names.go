// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// Names tells the names of nodes and addresses. It answers from memory, without
// waiting, is safe for concurrent use, and says "" of what it does not know;
// asking notes the unknown for a refresh.
type Names interface {
	// Node returns what is known of the node with that TID.
	Node(tid []byte) NodeNames
	// Address returns the name of what holds an address.
	Address(addr []byte) string
}

// NodeNames is what the topology says of a node. What it does not say is empty.
type NodeNames struct{ Name, Host, Type string }
