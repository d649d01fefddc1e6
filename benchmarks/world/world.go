// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package world makes the traffic that everything is measured with: numbered
// connections, each a TCP flow that one node captures, and what Skydive's analyzer
// reports of them. Nothing is random: the same number is always the same connection,
// so both sides of a comparison get the same bytes.
package world

import "strconv"

// Period is how often each connection is reported in ms: Skydive's flow.update.
const Period = 60_000

// MessageFlows is how many flows an analyzer puts into one message at most.
const MessageFlows = 100

// World is what all connections have in common.
type World struct {
	// Begin is when all of them began, in ms since the epoch.
	Begin int64
	// Nodes is how many capture nodes they are spread over, 16 where it is 0.
	Nodes int
}

// connection is what a connection's number decides.
type connection struct {
	uuid     uint64
	a, b     uint32 // addresses, see appendAddress
	port     int64
	node     int
	tracking uint64
}

// mix spreads numbers over all 64 bits; no two have the same image (the finalizer of
// splitmix64). Neighbours have nothing in common, as hashes of Skydive's have not.
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

func (w *World) connection(id int) connection {
	nodes := w.Nodes
	if nodes == 0 {
		nodes = 16
	}
	h := mix(uint64(id))
	// An agent reports its own connections: neighbours share the node, and one end is
	// an address of that node. The other end is anybody.
	node := id / MessageFlows % nodes
	return connection{
		uuid: h,
		// 2^21 clients; multiplying by an odd number gives each id below that its own.
		a:        uint32(id) * 0x9e3779b1 & (1<<21 - 1),
		b:        uint32(node*4) + uint32(h>>24)&3,
		port:     32768 + int64(uint64(id)>>21+h>>40)%28000,
		node:     node,
		tracking: mix(h),
	}
}

// report is what a connection's record says: how much it has carried, and when.
type report struct {
	metric, last [4]int64 // AB packets and bytes, BA packets and bytes
	start, end   int64    // of the update
	rtt          int64
}

// perUpdate is what each connection carries between two reports.
var perUpdate = [4]int64{20, 18_000, 15, 2_700}

// report is what is said of a connection the given time after its first report, which
// is round 0.
func (w *World) report(id, round int) report {
	r := report{start: w.Begin + int64(round)*Period, end: w.Begin + int64(round+1)*Period, rtt: 180_000 + int64(id%1000)*100}
	for i, n := range perUpdate {
		r.last[i] = n + int64(id%7)
		r.metric[i] = r.last[i] * int64(round+1)
	}
	return r
}

const hex = "0123456789abcdef"

func appendHex(dst []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hex[v>>shift&15])
	}
	return dst
}

func appendClient(dst []byte, a uint32) []byte {
	dst = append(dst, "10."...)
	dst = strconv.AppendUint(dst, uint64(a>>16), 10)
	dst = append(dst, '.')
	dst = strconv.AppendUint(dst, uint64(a>>8&255), 10)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, uint64(a&255), 10)
}

func appendServer(dst []byte, b uint32) []byte {
	dst = append(dst, "192.168."...)
	dst = strconv.AppendUint(dst, uint64(b>>8), 10)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, uint64(b&255), 10)
}

// appendNode appends a TID as Skydive makes them: a UUID.
func appendNode(dst []byte, node int) []byte {
	h := mix(uint64(node) + 1<<40)
	dst = appendHex(dst, h)[:len(dst)+8]
	dst = append(dst, "-5f0a-5b7e-"...)
	dst = append(dst, hex[node>>12&15], hex[node>>8&15], hex[node>>4&15], hex[node&15])
	dst = append(dst, "-2f1d"...)
	return appendHex(dst, h<<32)[:len(dst)+8]
}

// capture is the one capture of all nodes.
const capture = "1500c9dc-1de8-4387-8324-38f83ad5dd9a"
