// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skydive-project/skybridge/bridge/skydive/decode"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/analyzer"
)

// recorded returns the entries of a session with a real analyzer, one a message.
func recorded(tb testing.TB, name string) (entries []input.Entry) {
	tb.Helper()
	messages, err := analyzer.Recording("../bridge/skydive/testdata/" + name + ".jsonl")
	if err != nil {
		tb.Fatal(err)
	}
	for _, text := range messages {
		var m decode.Message
		if err := decode.Decode(text, &m); err != nil {
			tb.Fatal(err)
		}
		e := input.Entry{Time: 1795402892265}
		switch m.Kind {
		case decode.Flows:
			e.Kind, e.Flows = input.KindFlows, m.Flows
		case decode.Stats:
			e.Kind, e.Stats = input.KindStats, m.Stats
		default:
			tb.Fatalf("message %s", text)
		}
		entries = append(entries, e)
	}
	return entries
}

// TestRecordings proves that every message of the recordings comes back, and in how many bytes.
func TestRecordings(t *testing.T) {
	var c input.Codec
	var got input.Entry
	size, flows := 0, 0
	for _, name := range []string{
		"analyzer-restart-before", "analyzer-restart-after", "capture-deleted", "capture-namespace",
		"session-mixed", "stats", "two-captures", "vxlan-tunnel",
	} {
		for _, e := range recorded(t, name) {
			b := c.Append(nil, &e)
			if err := c.Decode(b, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s: -want +got:\n%s", name, diff)
			}
			if e.Kind == input.KindFlows {
				size, flows = size+len(b), flows+len(e.Flows)
			}
		}
	}
	perFlow := float64(size) / float64(flows)
	t.Logf("%d flows take %.1f bytes each", flows, perFlow)
	if perFlow > 60 || flows < 800 {
		t.Errorf("%d flows take %.1f bytes each, want at most 60", flows, perFlow)
	}
}
