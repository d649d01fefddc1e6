// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package judge holds what a receiver stores against what analyzers reported,
// from outside the bridge: it plays feeds to it over its analyzers' sockets and
// reads its own metrics and the receiver's samples over HTTP.
package judge

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// Feed sends records through analyzers and tells the reference.
type Feed struct {
	Analyzers []*analyzer.Analyzer
	Reference *reference.Reference
	Sent      int // records
}

// Send sends one message.
func (f *Feed) Send(m script.Message) {
	f.Reference.Report(m.Flows...)
	f.Analyzers[m.Analyzer].SendFlows(m.Flows)
	f.Sent += len(m.Flows)
}

// WaitReceived returns when the bridge at url has taken every record.
func (f *Feed) WaitReceived(ctx context.Context, url string) error {
	return Wait(ctx, func() (bool, string) {
		n, err := Metric(ctx, url, "skybridge_updates_received_total")
		return err == nil && int(n) == f.Sent, fmt.Sprintf("%v of %d records received (%v)", n, f.Sent, err)
	})
}

// WaitTicks returns when the bridge at url has sampled n more ticks and its
// receivers have them all.
func WaitTicks(ctx context.Context, url string, n int) error {
	const ticks, pending = "skybridge_ticks_total", "prometheus_remote_storage_samples_pending"
	first, err := Metric(ctx, url, ticks)
	if err != nil {
		return err
	}
	return Wait(ctx, func() (bool, string) {
		now, err := Metric(ctx, url, ticks)
		left, err2 := Metric(ctx, url, pending)
		return err == nil && err2 == nil && now >= first+float64(n) && left == 0,
			fmt.Sprintf("%v more ticks, %v samples pending (%v, %v)", now-first, left, err, err2)
	})
}

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
			return fmt.Errorf("%s: %w", word, ctx.Err())
		case <-ticker.C:
		}
	}
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

// Metric reads one of the bridge's own metrics: the sum over its labels.
func Metric(ctx context.Context, url, name string) (sum float64, err error) {
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

// Selector names every counter that is judged.
const Selector = `{__name__=~"skydive_network_connection_total_(bytes|packets)"}`

// Sums is [SumsBy] of the default labels.
func Sums(series []prom.Series) map[string]uint64 {
	return SumsBy(series, reference.DefaultLabels()...)
}

// SumsBy returns how much each counter grew by its raw samples, those that did, by its
// name with these labels ([reference.Name]). Any NaN is a stale marker here:
// VictoriaMetrics returns them, and JSON does not tell which NaN it is.
func SumsBy(series []prom.Series, by ...string) map[string]uint64 {
	sums := map[string]uint64{}
	for _, s := range series {
		s.Samples = slices.DeleteFunc(s.Samples, func(s receiver.Sample) bool { return math.IsNaN(s.Value()) })
		if sum := receiver.Increase(s.Samples); sum != 0 {
			sums[Name(s.Labels, by)] += uint64(sum)
		}
	}
	return sums
}

// Last returns each counter's last value.
func Last(series []prom.Series) map[string]uint64 {
	last := map[string]uint64{}
	for _, s := range series {
		if n := len(s.Samples); n > 0 && !s.Samples[n-1].Stale() {
			last[Name(s.Labels, reference.DefaultLabels())] = uint64(s.Samples[n-1].Value())
		}
	}
	return last
}

// Name is what the reference calls a series, with these labels.
func Name(l labels.Labels, by []string) string {
	return reference.Name(l.Get("__name__"), l.Map(), by)
}

// Diff says where got differs from want, at most ten lines of it; empty is
// equality.
func Diff(want, got map[string]uint64) string { return Between(want, want, got) }

// Between says where got is less than least or more than most, as Diff does.
func Between(least, most, got map[string]uint64) string {
	all := maps.Clone(most)
	maps.Copy(all, got)
	var lines []string
	for s := range all {
		if got[s] < least[s] || got[s] > most[s] {
			lines = append(lines, fmt.Sprintf("%s: want %d to %d, got %d", s, least[s], most[s], got[s]))
		}
	}
	slices.Sort(lines)
	if n := len(lines); n > 10 {
		lines = append(lines[:10], fmt.Sprintf("… and %d more of %d series", n-10, len(all)))
	}
	return strings.Join(lines, "\n")
}
