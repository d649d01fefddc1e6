// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"fmt"
	"testing"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// TestBacklogCountsInOrder proves that messages which had to wait count once and in
// their order.
func TestBacklogCountsInOrder(t *testing.T) {
	a := startAnalyzer(t, analyzer.Config{})
	r := newRig(t, Config{Analyzers: []string{a.URL()}}).run(t)
	waitSubscribed(t, a, 1)
	r.waitUps(t, 1)
	const messages = 300
	sent := 0
	send := func(n int) {
		for range n {
			a.SendFlows([]analyzer.Flow{flow(fmt.Sprintf("%04d", sent))})
			sent++
		}
	}
	// Some come one by one, and then many before the first of them is counted.
	for range 5 {
		send(1)
		r.waitFlow(t, fmt.Sprintf("%04d", sent-1))
	}
	hold := make(chan struct{})
	r.sink.mu.Lock()
	r.sink.hold = hold
	r.sink.mu.Unlock()
	send(messages - sent)
	r.waitMetric(t, messages, "skybridge_messages_received_total")
	close(hold)
	r.waitFlow(t, fmt.Sprintf("%04d", messages-1))
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	if len(r.sink.flows) != messages {
		t.Fatalf("%d flows counted, want %d", len(r.sink.flows), messages)
	}
	for i, f := range r.sink.flows {
		if want := fmt.Sprintf("%04d", i); string(f.UUID) != want {
			t.Fatalf("flow %s counted where %s was sent", f.UUID, want)
		}
	}
}
