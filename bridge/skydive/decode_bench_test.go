// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"encoding/json"
	"testing"
)

// benchMessages are the recorded messages of 100 flows, the size at which a
// busy analyzer sends.
func benchMessages(tb testing.TB) (messages [][]byte, flows int, size int64) {
	tb.Helper()
	var d Decoder
	var m Message
	for _, msg := range recorded(tb, "session-mixed") {
		if err := d.Decode(msg, &m); err != nil {
			tb.Fatal(err)
		}
		if len(m.Flows) >= 50 {
			messages = append(messages, msg)
			flows += len(m.Flows)
			size += int64(len(msg))
		}
	}
	if len(messages) < 2 {
		tb.Fatalf("only %d large messages", len(messages))
	}
	return messages, flows, size
}

func BenchmarkDecode(b *testing.B) {
	messages, flows, size := benchMessages(b)
	var d Decoder
	var m Message
	b.ReportAllocs()
	b.SetBytes(size)
	for b.Loop() {
		for _, msg := range messages {
			if err := d.Decode(msg, &m); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(flows)*float64(b.N)/b.Elapsed().Seconds(), "flows/s")
}

// BenchmarkDecodeOldWay is what the old connector does with a message: the
// envelope with its Obj left raw, then every field of every flow.
func BenchmarkDecodeOldWay(b *testing.B) {
	messages, flows, size := benchMessages(b)
	b.ReportAllocs()
	b.SetBytes(size)
	for b.Loop() {
		for _, msg := range messages {
			if _, err := decodeOldWay(msg); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(flows)*float64(b.N)/b.Elapsed().Seconds(), "flows/s")
}

type oldEnvelope struct {
	Namespace, Type, UUID string
	Status                int64
	Obj                   json.RawMessage
}

type oldLayer struct {
	Protocol, A, B string
	ID             int64
}

type oldMetric struct {
	ABPackets, ABBytes, BAPackets, BABytes, Start, Last, RTT int64
}

// oldFlow has the fields of Skydive's flow, but for its DNS, DHCP and VRRP
// layers, which the recordings do not have.
type oldFlow struct {
	UUID, LayersPath, Application string
	Link, Network                 *oldLayer
	Transport                     *struct {
		Protocol string
		A, B, ID int64
	}
	ICMP *struct {
		Type     string
		Code, ID uint32
	}
	LastUpdateMetric, Metric *oldMetric
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

func decodeOldWay(msg []byte) ([]*oldFlow, error) {
	var e oldEnvelope
	if err := json.Unmarshal(msg, &e); err != nil {
		return nil, err
	}
	var flows []*oldFlow
	if err := json.Unmarshal(e.Obj, &flows); err != nil {
		return nil, err
	}
	return flows, nil
}
