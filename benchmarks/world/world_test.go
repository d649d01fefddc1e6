// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skydive-project/skybridge/bridge/skydive/decode"
	"github.com/skydive-project/skybridge/internal/analyzer"
)

// TestMessageIsWhatSkydiveSends holds the text against encoding/json's of the analyzer's
// own struct, byte for byte, and the records against what the decoder makes of it.
func TestMessageIsWhatSkydiveSends(t *testing.T) {
	w := &World{Begin: 1_700_000_000_000}
	text := w.AppendMessage(nil, 1<<21-3, 100, 2)
	var envelope struct {
		Namespace, Type, UUID string
		Status                int
		Obj                   []analyzer.Flow
	}
	if err := json.Unmarshal(text, &envelope); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, again) {
		t.Errorf("a message is not in Skydive's form (-skydive +ours):\n%s", cmp.Diff(string(again), string(text)))
	}
	if size := len(text) / 100; size < 750 || size > 850 {
		t.Errorf("%d bytes a flow; Skydive's have about 800", size)
	}

	var m decode.Message
	if err := decode.Decode(text, &m); err != nil || m.Malformed > 0 {
		t.Fatal(err, m.Malformed)
	}
	var f Flows
	if diff := cmp.Diff(m.Flows, f.Fill(w, 1<<21-3, 100, 2), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("records differ from the message (-message +records):\n%s", diff)
	}
}

func TestConnectionsDiffer(t *testing.T) {
	w := &World{}
	const many = 3 << 20
	seen := make(map[connection]int, many)
	uuids := make(map[uint64]bool, many)
	for id := range many {
		c := w.connection(id)
		uuids[c.uuid] = true
		c.uuid, c.tracking = 0, 0
		if other, ok := seen[c]; ok {
			t.Fatalf("connections %d and %d are one", other, id)
		}
		seen[c] = id
	}
	if len(uuids) != many {
		t.Errorf("%d UUIDs for %d connections", len(uuids), many)
	}
}
