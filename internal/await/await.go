// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package await waits in tests for what other goroutines bring about: a state, a line
// of the log, a metric's value. What does not come within [Patience] fails the test.
package await

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Patience is how long a test waits for what must happen.
const Patience = 30 * time.Second

// Changes notifies waiters that something may be different now.
type Changes struct {
	mu sync.Mutex
	ch chan struct{}
}

// Announce has every Wait look again.
func (c *Changes) Announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch != nil {
		close(c.ch)
		c.ch = nil
	}
}

func (c *Changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch == nil {
		c.ch = make(chan struct{})
	}
	return c.ch
}

// Wait waits until ok, which it calls now and after each change.
func (c *Changes) Wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	for {
		changed := c.next()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Logs keeps what is logged.
type Logs struct {
	changes Changes
	mu      sync.Mutex
	buf     bytes.Buffer
}

// Write implements [io.Writer].
func (l *Logs) Write(p []byte) (int, error) {
	defer l.changes.Announce()
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
	l.changes.Wait(t, "log with "+text, func() bool { return strings.Contains(l.String(), text) })
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
	metrics:
		for _, m := range f.GetMetric() {
			for i := 0; i < len(labels); i += 2 {
				same := false
				for _, l := range m.GetLabel() {
					same = same || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}
				if !same {
					continue metrics
				}
			}
			if m.GetGauge() != nil {
				return m.GetGauge().GetValue()
			}
			return m.GetCounter().GetValue()
		}
	}
	return -1
}

// MetricIs waits until a metric has a value; it asks again and again.
func MetricIs(t *testing.T, want float64, from prometheus.Gatherer, name string, labels ...string) {
	t.Helper()
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for got := Metric(t, from, name, labels...); got != want; got = Metric(t, from, name, labels...) {
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("%s is %v, not %v", name, got, want)
		}
	}
}
