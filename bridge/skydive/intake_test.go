// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"fmt"
	"testing"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
)

// TestBacklogCountsInOrder proves that messages which had to wait count once and in
// their order, and that those which wait when the feed ends do before Run returns.
func TestBacklogCountsInOrder(t *testing.T) {
	a, r := subscribe(t, Config{})
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
	release := r.sink.block()
	send(messages - sent)
	r.waitMetric(t, messages, "skybridge_messages_received_total")
	go release()
	r.stop()
	if len(r.sink.flows) != messages {
		t.Fatalf("%d flows counted, want %d", len(r.sink.flows), messages)
	}
	for i, f := range r.sink.flows {
		if want := fmt.Sprintf("%04d", i); string(f.UUID) != want {
			t.Fatalf("flow %s counted where %s was sent", f.UUID, want)
		}
	}
}

// TestOverdue proves that a sink which does not give back a message is noticed, and that
// one that waits for messages is not.
func TestOverdue(t *testing.T) {
	a, r := subscribe(t, Config{})
	if late := r.feed.Overdue(); late != 0 {
		t.Errorf("overdue by %s before there is a message", late)
	}
	release := r.sink.block()
	a.SendFlows([]analyzer.Flow{flow("a")})
	await.Until(t, "a message", func() bool { r.sink.mu.Lock(); defer r.sink.mu.Unlock(); return r.sink.calls == 1 })
	before := r.feed.Overdue()
	if after := r.feed.Overdue(); before <= 0 || after <= before {
		t.Errorf("overdue by %s, then by %s: want more and more", before, after)
	}
	release()
	r.waitFlow(t, "a")
	a.SendFlows([]analyzer.Flow{flow("b")})
	r.waitFlow(t, "b")
	r.stop()
	if late := r.feed.Overdue(); late != 0 {
		t.Errorf("overdue by %s after the last message", late)
	}
}
