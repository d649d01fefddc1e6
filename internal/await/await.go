// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package await waits in tests for what other goroutines bring about: a state, a line
// of the log, a metric's value. What does not come within [Patience] fails the test.
package await

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
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
	for v := range values(t, from, name, labels) {
		return v
	}
	return -1
}

// Sum returns the sum of a counter's or gauge's values, or of a histogram's counts, over
// all series with the labels.
func Sum(t testing.TB, from prometheus.Gatherer, name string, labels ...string) (sum float64) {
	t.Helper()
	for v := range values(t, from, name, labels) {
		sum += v
	}
	return sum
}

// values are those of a metric's series with the labels.
func values(t testing.TB, from prometheus.Gatherer, name string, labels []string) iter.Seq[float64] {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(float64) bool) {
		for _, f := range families {
			if f.GetName() != name {
				continue
			}
			for _, m := range f.GetMetric() {
				all := true
				for i := 0; i < len(labels); i += 2 {
					all = all && slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool {
						return l.GetName() == labels[i] && l.GetValue() == labels[i+1]
					})
				}
				if all && !yield(m.GetCounter().GetValue()+m.GetGauge().GetValue()+float64(m.GetHistogram().GetSampleCount())) {
					return
				}
			}
		}
	}
}

// MetricIs waits until a metric has a value.
func MetricIs(t *testing.T, want float64, from prometheus.Gatherer, name string, labels ...string) {
	t.Helper()
	Until(t, fmt.Sprintf("%s of %v", name, want), func() bool { return Metric(t, from, name, labels...) == want })
}
