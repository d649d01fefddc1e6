// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/receiver"
)

// verdict says what is wrong with what the receivers have; nothing, if all is
// right. The bridge has stopped.
func (w *world) verdict() (problems []string) {
	w.t.Helper()
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	least, most := w.scenario.reference.Least(false).Totals(), w.scenario.reference.Totals()
	if len(least) < 20 {
		w.t.Fatalf("the reference has %d series: nothing was judged", len(least))
	}
	for name, got := range w.stored() {
		if diff := judge.Between(least, most, got); diff != "" {
			complain("%s differs from what was reported:\n%s", name, diff)
		}
	}
	unbegun := 0
	for _, s := range w.raw() {
		for i, life := range prom.Incarnations(s.Samples) {
			if life.FromZero() {
				continue
			}
			if unbegun++; unbegun <= 3 {
				complain("%v: incarnation %d does not begin with 0: %v", s.Labels, i, life.Samples)
			}
		}
	}
	if unbegun > 3 {
		complain("… and so do %d more", unbegun-3)
	}
	if got := w.dropped(); got == 0 || got > float64(w.scenario.dropped) {
		complain("captures dropped %v flows, reported were %d", got, w.scenario.dropped)
	}
	if w.otherHost.mu.Lock(); len(w.otherHost.seen) > 0 {
		complain("another host was sent the secrets %q", w.otherHost.seen)
	}
	w.otherHost.mu.Unlock()
	if found := w.logs.found(); len(found) > 0 {
		complain("the log shows the secrets %q", found)
	}
	return append(problems, w.breaches()...)
}

// dropped returns how many flows captures dropped, by the Prometheus' storage. Reports
// that the bridge did not hear are not among them.
func (w *world) dropped() (sum float64) {
	w.t.Helper()
	series, err := w.prom.RawSeries(w.ctx, "skydive_capture_flows_dropped_total", w.began.Add(-time.Minute), time.Now().Add(time.Minute))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range series {
		sum += receiver.Increase(s.Samples)
	}
	return sum
}

// breaches says which duties of a sender were not kept.
func (w *world) breaches() (problems []string) {
	w.t.Helper()
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if refused := w.prom.Refused(); len(refused) > 0 {
		complain("Prometheus refused %d requests: %q", len(refused), refused)
	}
	families, err := w.prom.Registry().Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	refusals := []string{
		"prometheus_tsdb_out_of_order_samples_total", "prometheus_tsdb_out_of_bound_samples_total", "prometheus_tsdb_too_old_samples_total",
	}
	met := 0
	for _, f := range families {
		if !slices.Contains(refusals, f.GetName()) {
			continue
		}
		met++
		for _, m := range f.Metric {
			if n := m.GetCounter().GetValue(); n > 0 {
				complain("%s is %v", f.GetName(), n)
			}
		}
	}
	if met != len(refusals) {
		w.t.Fatalf("Prometheus has %d of the metrics %v", met, refusals)
	}
	for i, r := range w.receivers {
		violations := r.Violations()
		for _, violation := range violations[:min(5, len(violations))] {
			complain("receiver %d complains (%d times in all): %s", i, len(violations), violation)
		}
	}
	return problems
}

// raw returns what the Prometheus' storage holds of the judged counters.
func (w *world) raw() []prom.Series {
	w.t.Helper()
	series, err := w.prom.RawSeries(w.ctx, judge.Selector, w.began.Add(-time.Minute), time.Now().Add(time.Minute))
	if err != nil {
		w.t.Fatal(err)
	}
	return series
}

// stored returns by how much each counter grew by the raw samples of each
// receiver, whatever labels the connection had meanwhile.
func (w *world) stored() map[string]map[string]uint64 {
	w.t.Helper()
	byAPI, err := w.prom.Client().RawSeries(w.ctx, judge.Selector, w.began.Add(-time.Minute), time.Now().Add(time.Minute))
	if err != nil {
		w.t.Fatal(err)
	}
	var checked []prom.Series
	keys := parser.NewParser(parser.Options{})
	for key, samples := range w.receivers[1].Series() {
		name, err := keys.ParseMetric(key)
		if err != nil {
			w.t.Fatalf("series %s: %v", key, err)
		}
		if !strings.HasPrefix(name.Get("__name__"), "skydive_network_connection_total_") {
			continue
		}
		checked = append(checked, prom.Series{Labels: name, Samples: samples})
	}
	return map[string]map[string]uint64{
		"the Prometheus, by its query API,": judge.Sums(byAPI),
		"the checking receiver":             judge.Sums(checked),
	}
}
