// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bytes"
	"sync"
)

// logs keeps the last of what the bridge logged, over all of its lives.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

const keptLogs = 1 << 20

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len() > keptLogs {
		l.text.Next(keptLogs / 2)
	}
	return l.text.Write(p)
}

// String returns the last 8 kB.
func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.Bytes()
	return string(text[max(0, len(text)-8192):])
}
