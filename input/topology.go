// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

const (
	// MaxRows is how many rows of the topology an entry has at most, for the aggregator takes
	// an entry at a time.
	MaxRows = 256
	// InterfaceMetrics is how many numbers an interface has.
	InterfaceMetrics = 11
)

// Refresh says where the rows of an entry are in a refresh of the topology. A refresh has, for
// each kind of row, the rows that have changed since the one before, in one entry or more.
type Refresh struct {
	// Whole: the refresh states everything, and these are its first rows. What has no row
	// until its end is gone. So a process begins that does not know what was stated before.
	Whole bool
	// End: these are the last rows of the refresh.
	End bool
}

// NodeName is what a node is called, each part of it as far as known. Where it is Gone, nothing
// but the key counts, here and below.
type NodeName struct {
	TID              []byte // the key
	Gone             bool
	Name, Host, Type []byte
}

// AddressName is what an address, in Skydive's notation, is called.
type AddressName struct {
	Address []byte // the key
	Gone    bool
	Name    []byte
}

// Interface is a network interface and its cumulative numbers. All its labels are its key.
type Interface struct {
	NodeTID, Name, Host, Type []byte
	// IPv4 and IPv6 are addresses with their prefix length, separated by commas.
	IPv4, IPv6 []byte
	Gone       bool
	Values     [InterfaceMetrics]uint64
}

// CapturePackets are the packets of one capture on one node since it began there.
type CapturePackets struct {
	CaptureID, NodeTID []byte // the key
	Gone               bool
	Received, Dropped  uint64
}
