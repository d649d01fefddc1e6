// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recordings are the sessions with a real analyzer in testdata.
var recordings = []string{
	"analyzer-restart-before", "analyzer-restart-after", "capture-deleted", "capture-namespace",
	"session-mixed", "stats", "two-captures", "vxlan-tunnel",
}

// recorded returns the data messages of a recording in order.
func recorded(tb testing.TB, name string) [][]byte {
	tb.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out [][]byte
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Op   int
			Text string
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		if line.Op == 1 || line.Op == 2 {
			out = append(out, []byte(line.Text))
		}
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	if len(out) == 0 {
		tb.Fatalf("%s: no message", name)
	}
	return out
}

// flowMessages returns the flow messages of all recordings.
func flowMessages(tb testing.TB) (messages [][]byte, size int64) {
	tb.Helper()
	for _, name := range recordings {
		for _, m := range recorded(tb, name) {
			if strings.HasPrefix(string(m), `{"Namespace":"flow`) {
				messages = append(messages, m)
				size += int64(len(m))
			}
		}
	}
	return messages, size
}
