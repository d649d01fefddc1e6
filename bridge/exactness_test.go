// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/script"
)

// TestExactnessOfRecordings plays what a real analyzer sent.
func TestExactnessOfRecordings(t *testing.T) {
	files, err := filepath.Glob("skydive/testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		messages := recording(t, file)
		if len(messages) == 0 {
			continue // statistics only
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := startedRig(t, 1)
			for i, m := range messages {
				r.Send(m)
				if i == len(messages)/2 {
					r.awaitReceived()
					r.awaitTicks(1)
				}
			}
			r.awaitReceived()
			r.halt()
			if len(r.Reference.Totals()) == 0 {
				if n := len(r.raw()); n != 0 {
					t.Errorf("%d series of a recording without connections", n)
				}
				return
			}
			r.judgeExact()
		})
	}
}

// recording reads the flow messages of a recording.
func recording(t *testing.T, file string) (messages []script.Message) {
	texts, err := analyzer.Recording(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		var message struct {
			Type string
			Obj  json.RawMessage
		}
		if err := json.Unmarshal(text, &message); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if message.Type != "store" {
			continue
		}
		var flows []analyzer.Flow
		if err := json.Unmarshal(message.Obj, &flows); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		messages = append(messages, script.Message{Flows: flows})
	}
	return messages
}
