// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package await waits in tests for what other goroutines bring about: a state, a line
// of the log, a metric's value. What does not come within [Patience] fails the test.
package await

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Patience is how long a test waits for what must happen.
const Patience = 30 * time.Second

// Until waits until ok, which it asks every few milliseconds.
func Until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Logs keeps what is logged.
type Logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (l *Logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns what was logged so far.
func (l *Logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// WaitFor waits until the text has been logged.
func (l *Logs) WaitFor(t *testing.T, text string) {
	t.Helper()
	Until(t, "log with "+text, func() bool { return strings.Contains(l.String(), text) })
}

// Metric returns the value of a counter or gauge; labels are name, value, …. It is -1
// where there is none.
func Metric(t *testing.T, from prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := map[string]string{}
			for _, l := range m.GetLabel() {
				has[l.GetName()] = l.GetValue()
			}
			same := true
			for pair := range slices.Chunk(labels, 2) {
				same = same && has[pair[0]] == pair[1]
			}
			if same {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue() // it is one of them
			}
		}
	}
	return -1
}

// MetricIs waits until a metric has a value.
func MetricIs(t *testing.T, want float64, from prometheus.Gatherer, name string, labels ...string) {
	t.Helper()
	Until(t, fmt.Sprintf("%s of %v", name, want), func() bool { return Metric(t, from, name, labels...) == want })
}
