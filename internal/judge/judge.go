// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package judge holds what a receiver stores against what analyzers reported,
// from outside the bridge: it plays feeds to it over its analyzers' sockets and
// reads its own metrics and the receiver's samples over HTTP.
package judge

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
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
	return await.Wait(ctx, func() (bool, string) {
		n, err := await.Scrape(ctx, url, "skybridge_updates_received_total")
		return err == nil && int(n) == f.Sent, fmt.Sprintf("%v of %d records received (%v)", n, f.Sent, err)
	})
}

// WaitTicks returns when the bridge at url has sampled n more ticks and its
// receivers have them all.
func WaitTicks(ctx context.Context, url string, n int) error {
	const ticks, pending = "skybridge_ticks_total", "prometheus_remote_storage_samples_pending"
	first, err := await.Scrape(ctx, url, ticks)
	if err != nil {
		return err
	}
	return await.Wait(ctx, func() (bool, string) {
		now, err := await.Scrape(ctx, url, ticks)
		left, err2 := await.Scrape(ctx, url, pending)
		return err == nil && err2 == nil && now >= first+float64(n) && left == 0,
			fmt.Sprintf("%v more ticks, %v samples pending (%v, %v)", now-first, left, err, err2)
	})
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
