// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// In JSON a record has the keys of a recorded one of its kind, in the same
// order and with values of the same types.
func TestShapeEqualsRecorded(t *testing.T) {
	recorded := map[string]string{}
	file, err := os.Open("testdata/recorded-flows.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		name, shape := shapeOf(t, lines.Bytes())
		recorded[name] = shape
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	compared := map[string]bool{}
	for _, f := range live(1, 5*time.Minute) {
		if f.Application == "DNS" || f.FinishType > finishTimeout {
			continue // none in the recordings
		}
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		name, shape := shapeOf(t, data)
		compared[name] = true
		if diff := cmp.Diff(recorded[name], shape); diff != "" {
			t.Fatalf("%s (-recorded +ours):\n%s\n%s", name, diff, data)
		}
	}
	if len(compared) < 6 {
		t.Errorf("compared only %v", compared)
	}
}

// shapeOf names a record's kind and lists its keys and the types behind them.
func shapeOf(t *testing.T, record []byte) (name, shape string) {
	t.Helper()
	var f analyzer.Flow
	if err := json.Unmarshal(record, &f); err != nil {
		t.Fatal(err)
	}
	name = fmt.Sprint(f.Application, " end:", f.FinishType == finishTimeout, " rtt:", f.Metric.RTT > 0)
	if f.ICMP != nil {
		name += " " + f.ICMP.Type
	}
	decoder := json.NewDecoder(bytes.NewReader(record))
	depth, key := 0, false
	for decoder.More() || depth > 0 {
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '{' {
				depth, key = depth+1, true
			} else {
				depth, key = depth-1, true
			}
			shape += token.String() + "\n"
			continue
		case string:
			if key {
				shape += token + ": "
			} else {
				shape += "string\n"
			}
		default:
			shape += fmt.Sprintf("%T\n", token)
		}
		key = !key
	}
	return name, shape
}
