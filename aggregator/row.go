// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "github.com/skydive-project/skybridge/aggregator/label"

// Row is one connection as it was last sampled.
type Row struct {
	Layout *label.Layout
	// Values are the label values in the order of Layout.Names without direction, each
	// followed by [label.Separator]. An empty value means no such label.
	Values string
	// Bytes and Packets are indexed by direction: 0 is initiator to target, 1
	// the other. Without a direction label 0 holds the sum and 1 is unused.
	Bytes, Packets [2]uint64
	// Gauges are of both directions.
	Gauges Gauges
}

// CaptureRow is one capture's statistics as last sampled.
type CaptureRow struct {
	CaptureID                                                                  string
	FlowCount, FlowDropped, KernelFlowDropped, PacketsDropped, PacketsReceived uint64
	FlowsKnown                                                                 uint64 // 0: not known
	HasPackets                                                                 bool   // the topology has its packets, and they are current
}
