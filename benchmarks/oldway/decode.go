// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package oldway imitates what skybridge replaces, as far as its cost goes: the
// Skydive-Prometheus connector prom_sky_con of skydive-flow-exporter. A message is
// decoded by encoding/json, first its envelope and then every field of every flow,
// each connection has an entry in a cache by L3TrackingID with two label maps, and
// values go into client_golang's gauge vectors. Left out is what the comparison does
// not need: the classification of addresses, logging, and the interfaces. That makes
// it cheaper than the original.
package oldway

import (
	"encoding/json"
	"fmt"
)

type envelope struct {
	Namespace, Type, UUID string
	Status                int64
	Obj                   json.RawMessage
}

type layer struct {
	Protocol, A, B string
	ID             int64
}

type metric struct {
	ABPackets, ABBytes, BAPackets, BABytes, Start, Last, RTT int64
}

// Flow has the fields of Skydive's flow, but for its DNS, DHCP and VRRP layers, which
// neither the recordings nor the generated feed have.
type Flow struct {
	UUID, LayersPath, Application string
	Link, Network                 *layer
	Transport                     *struct {
		Protocol string
		A, B, ID int64
	}
	ICMP *struct {
		Type     string
		Code, ID uint32
	}
	LastUpdateMetric, Metric *metric
	TCPMetric                *struct {
		ABSynStart, BASynStart                                       int64
		ABSynTTL, BASynTTL                                           uint32
		ABFinStart, BAFinStart, ABRstStart, BARstStart               int64
		ABSegmentOutOfOrder, ABSegmentSkipped, ABSegmentSkippedBytes int64
		ABPackets, ABBytes, ABSawStart, ABSawEnd                     int64
		BASegmentOutOfOrder, BASegmentSkipped, BASegmentSkippedBytes int64
		BAPackets, BABytes, BASawStart, BASawEnd                     int64
	}
	IPMetric                                                 *struct{ Fragments, FragmentErrors int64 }
	Start, Last                                              int64
	TrackingID, L3TrackingID, ParentUUID, NodeTID, CaptureID string
	RawPacketsCaptured, FinishType                           int64
}

// Decode decodes a message of the feed; one that holds no flows has none.
func Decode(message []byte) ([]*Flow, error) {
	var e envelope
	if err := json.Unmarshal(message, &e); err != nil {
		return nil, fmt.Errorf("old way: envelope: %w", err)
	}
	if e.Type != "store" {
		return nil, nil
	}
	var flows []*Flow
	if err := json.Unmarshal(e.Obj, &flows); err != nil {
		return nil, fmt.Errorf("old way: flows: %w", err)
	}
	return flows, nil
}
