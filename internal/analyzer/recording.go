// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// Recording returns the data messages of a recorded session in their order. The
// recordings and their format are in bridge/skydive/testdata.
func Recording(file string) (messages [][]byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Op   int
			Text string
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("recording %s: %w", file, err)
		}
		if line.Op == 1 || line.Op == 2 {
			messages = append(messages, []byte(line.Text))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("recording %s: %w", file, err)
	}
	if len(messages) == 0 {
		return nil, fmt.Errorf("recording %s: no message", file)
	}
	return messages, nil
}
