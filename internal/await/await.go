// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package await waits in tests for what other goroutines bring about: a state, a line
// of the log, a metric's value, and reads the pages of a bridge.
package await

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Patience is how long a test waits for what must happen; then it fails.
const Patience = 30 * time.Second

// Wait asks ok every few milliseconds until it says yes. Its error says what ok
// said last.
func Wait(ctx context.Context, ok func() (bool, string)) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		yes, word := ok()
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", word, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// Until waits until ok, which it asks every few milliseconds.
func Until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := Wait(ctx, func() (bool, string) { return ok(), what }); err != nil {
		t.Fatalf("waited in vain: %v", err)
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

// Page reads a page of the bridge.
func Page(ctx context.Context, url, accept string) (body, contentType string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", "", err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, text)
	}
	return string(text), resp.Header.Get("Content-Type"), err
}

// Scrape reads one of the own metrics of the bridge at url: the sum over its labels.
func Scrape(ctx context.Context, url, name string) (sum float64, err error) {
	page, _, err := Page(ctx, url+"/metrics?collect[]=self", "")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(page) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && (series == name || strings.HasPrefix(series, name+"{")) {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", line, err)
			}
			sum += v
		}
	}
	return sum, nil
}
