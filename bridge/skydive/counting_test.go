// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"testing"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
)

// TestOverdue proves that a sink which does not give back a message is noticed, and that
// one that waits for messages is not.
func TestOverdue(t *testing.T) {
	a := startAnalyzer(t, analyzer.Config{})
	r := newRig(t, Config{Analyzers: []string{a.URL()}}).run(t)
	waitSubscribed(t, a, 1)
	r.waitUps(t, 1)
	if late := r.feed.Overdue(); late != 0 {
		t.Errorf("overdue by %s before there is a message", late)
	}
	hold := make(chan struct{})
	r.sink.mu.Lock()
	r.sink.hold = hold
	r.sink.mu.Unlock()
	a.SendFlows([]analyzer.Flow{flow("a")})
	await.Until(t, "a message", func() bool { r.sink.mu.Lock(); defer r.sink.mu.Unlock(); return r.sink.calls == 1 })
	before := r.feed.Overdue()
	if after := r.feed.Overdue(); before <= 0 || after <= before {
		t.Errorf("overdue by %s, then by %s: want more and more", before, after)
	}
	close(hold)
	r.waitFlow(t, "a")
	a.SendFlows([]analyzer.Flow{flow("b")})
	r.waitFlow(t, "b")
	r.stop()
	if late := r.feed.Overdue(); late != 0 {
		t.Errorf("overdue by %s after the last message", late)
	}
}
