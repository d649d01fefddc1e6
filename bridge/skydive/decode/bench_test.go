// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import "testing"

// benchMessages are the recorded messages of 100 flows, the size at which a
// busy analyzer sends.
func benchMessages(tb testing.TB) (messages [][]byte, flows int, size int64) {
	tb.Helper()
	var m Message
	for _, msg := range recorded(tb, "session-mixed") {
		if err := Decode(msg, &m); err != nil {
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
	var m Message
	b.ReportAllocs()
	b.SetBytes(size)
	for b.Loop() {
		for _, msg := range messages {
			if err := Decode(msg, &m); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(flows)*float64(b.N)/b.Elapsed().Seconds(), "flows/s")
}
