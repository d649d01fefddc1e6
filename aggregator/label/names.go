// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

// Names resolves nodes and addresses by Skydive's topology. Both methods are called for each
// record that counts, where labels need them, from any goroutine and with the aggregator's
// lock held: they must answer at once, from memory. Arguments belong to the caller. Answers
// may change; see [Builder].
type Names interface {
	// Node returns the names of the node with this TID; the zero value where it is unknown,
	// which is then looked up.
	Node(tid []byte) NodeNames
	// Address returns the name for an address in Skydive's notation; "" where it is unknown,
	// which is then looked up.
	Address(addr []byte) string
}

// NodeNames are a node's name, its host, and its type in Skydive's words
// ("device", "veth", …). Each may be empty.
type NodeNames struct{ Name, Host, Type string }

// noNames knows none.
type noNames struct{}

func (noNames) Node([]byte) NodeNames { return NodeNames{} }
func (noNames) Address([]byte) string { return "" }
