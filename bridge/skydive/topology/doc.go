// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package topology asks Skydive's analyzers what nodes and addresses are called, which
// network interfaces there are and what they count, and how many packets captures saw.
//
// Every analyzer of a cluster knows all of it, while an agent, which can be asked as
// well, knows its own machine. A round asks all of them at once and takes each node
// from who has its latest revision. What only those know that cannot be reached stays.
package topology
