// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"strconv"

	"github.com/skydive-project/skybridge/aggregator"
)

// Flows are records as the decoder hands them to the aggregator, for what is measured
// behind it. The zero value is ready; the records are valid until the next Fill.
type Flows struct {
	records []aggregator.Flow
	texts   []byte
}

// Fill returns what [World.AppendMessage] says, decoded.
func (f *Flows) Fill(w *World, id, n, round int) []aggregator.Flow {
	f.texts = f.texts[:0]
	if f.records = f.records[:0]; cap(f.texts) < 160*n {
		f.texts = make([]byte, 0, 160*n) // no append moves what records point at
	}
	for i := range n {
		c, r := w.connection(id+i), w.report(id+i, round)
		f.records = append(f.records, aggregator.Flow{
			UUID:              f.text(func(b []byte) []byte { return strconv.AppendUint(b, c.uuid, 16) }),
			NodeTID:           f.text(func(b []byte) []byte { return appendNode(b, c.node) }),
			CaptureID:         []byte(capture),
			NetworkA:          f.text(func(b []byte) []byte { return appendClient(b, c.a) }),
			NetworkB:          f.text(func(b []byte) []byte { return appendServer(b, c.b) }),
			HasTransport:      true,
			TransportProtocol: f.text(func(b []byte) []byte { return append(b, "TCP"...) }),
			TransportA:        c.port, TransportB: 443,
			Start:         w.Begin,
			Application:   f.text(func(b []byte) []byte { return append(b, "TCP"...) }),
			Metric:        metric(&r.metric, w.Begin, r.end, r.rtt),
			LastUpdate:    metric(&r.last, r.start, r.end, r.rtt),
			HasLastUpdate: true,
		})
	}
	return f.records
}

func (f *Flows) text(add func([]byte) []byte) []byte {
	from := len(f.texts)
	f.texts = add(f.texts)
	return f.texts[from:len(f.texts):len(f.texts)]
}

func metric(m *[4]int64, start, last, rtt int64) aggregator.Metric {
	return aggregator.Metric{ABPackets: m[0], ABBytes: m[1], BAPackets: m[2], BABytes: m[3], Start: start, Last: last, RTT: rtt}
}
