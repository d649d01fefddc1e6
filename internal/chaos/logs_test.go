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
	// secrets that stood in it.
	secrets []string
}

const keptLogs = 1 << 20

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len() > keptLogs {
		l.text.Next(keptLogs / 2)
	}
	l.secrets = append(l.secrets, leaked(string(p))...)
	return l.text.Write(p)
}

// found returns the secrets that were logged.
func (l *logs) found() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.secrets
}

// lifeLog is what one life of the bridge says, into the logs of all.
type lifeLog struct {
	logs *logs
	mu   sync.Mutex
	last []byte // words
}

func (l *logs) lifeLog() *lifeLog { return &lifeLog{logs: l} }

func (v *lifeLog) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = append(v.last, p...)
	v.last = v.last[max(0, len(v.last)-4096):]
	return v.logs.Write(p)
}

// left says whether that life has stopped without saying that nothing is left.
func (v *lifeLog) left() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !bytes.Contains(v.last, []byte("stopped; nothing is left to push"))
}

// String returns the last 8 kB.
func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.Bytes()
	return string(text[max(0, len(text)-8192):])
}
