// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/receiver"
)

// What is written by remote-write 1.0 comes back by the querier, bit for bit, and by the
// query API, which leaves stale markers out.
func TestWrittenComesBack(t *testing.T) {
	server := start(t, prom.Options{})
	samples := []receiver.Sample{
		at(0, 0), at(15, 100), at(30, 250), at(45, stale()), at(200, 0), at(215, 1000), at(230, 1000),
	}
	for _, s := range samples {
		mustWrite(t, server, series("a", s), series("b", s))
	}

	name := labels.FromStrings("__name__", metric, "who", "a")
	selector := metric + `{who="a"}`
	raw, err := server.RawSeries(t.Context(), selector, after(0), after(230))
	if err != nil {
		t.Fatal(err)
	}
	want := []prom.Series{{Labels: name, Samples: samples}}
	if diff := cmp.Diff(want, raw, sameLabels); diff != "" {
		t.Errorf("by the querier (-want +got):\n%s", diff)
	}

	asked, err := server.Client().RawSeries(t.Context(), selector, after(0), after(230))
	if err != nil {
		t.Fatal(err)
	}
	var values []receiver.Sample
	for _, s := range samples {
		if !s.Stale() {
			values = append(values, s)
		}
	}
	want = []prom.Series{{Labels: name, Samples: values}}
	if diff := cmp.Diff(want, asked, sameLabels); diff != "" {
		t.Errorf("by the query API (-want +got):\n%s", diff)
	}

	both, err := server.RawSeries(t.Context(), metric, after(0), after(230))
	if err != nil {
		t.Fatal(err)
	}
	if len(both) != 2 {
		t.Errorf("%d series under the name alone, want 2", len(both))
	}
}

// A range that begins at the first sample holds it, one that begins a
// millisecond later does not; likewise at the end.
func TestRangesIncludeTheirEnds(t *testing.T) {
	server := start(t, prom.Options{})
	mustWrite(t, server, series("a", at(0, 1)))
	mustWrite(t, server, series("a", at(10, 2)))
	ms := time.Millisecond
	for _, test := range []struct {
		name     string
		from, to time.Time
		want     int
	}{
		{"both", after(0), after(10), 2},
		{"first cut off", after(0).Add(ms), after(10), 1},
		{"last cut off", after(0), after(10).Add(-ms), 1},
		{"one instant", after(10), after(10), 1},
		{"between", after(1), after(9), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			raw, err := server.RawSeries(t.Context(), metric, test.from, test.to)
			if err != nil {
				t.Fatal(err)
			}
			asked, err := server.Client().RawSeries(t.Context(), metric, test.from, test.to)
			if err != nil {
				t.Fatal(err)
			}
			if n := count(raw); n != test.want {
				t.Errorf("querier: %d samples, want %d", n, test.want)
			}
			if n := count(asked); n != test.want {
				t.Errorf("query API: %d samples, want %d", n, test.want)
			}
		})
	}
}

// A 2.0 request is stored too, and confirmed by the header that senders wait for.
func TestWrite20(t *testing.T) {
	server := start(t, prom.Options{})
	symbols := writev2.NewSymbolTable()
	refs := symbols.SymbolizeLabels(labels.FromStrings("__name__", metric, "who", "a"), nil)
	err := send(t.Context(), server, remoteapi.WriteV2MessageType, &writev2.Request{
		Timeseries: []writev2.TimeSeries{{
			LabelsRefs: refs,
			Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: symbols.Symbolize("Bytes.")},
			Samples:    []writev2.Sample{{Timestamp: past.UnixMilli(), Value: 42}},
		}},
		Symbols: symbols.Symbols(),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := server.Client().Query(t.Context(), metric, past)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Samples[0] != (receiver.NewSample(past.UnixMilli(), 42)) {
		t.Errorf("stored: %v", got)
	}
}

// The rest of the query API is mounted, and what is not here answers emptily.
func TestAPIIsMounted(t *testing.T) {
	server := start(t, prom.Options{})
	mustWrite(t, server, series("a", at(0, 1)), series("b", at(0, 2)))
	from := "&start=1600000000&end=1600000100"
	for _, test := range []struct{ path, want string }{
		{"/api/v1/query?query=sum(" + metric + ")&time=1600000001", `"value":[1600000001,"3"]`},
		{"/api/v1/query_range?query=count(" + metric + ")&step=15" + from, `[1600000015,"2"]`},
		{"/api/v1/series?match[]=" + metric + from, `"who":"b"`},
		{"/api/v1/labels?match[]=" + metric + from, `["__name__","who"]`},
		{"/api/v1/label/who/values", `["a","b"]`},
		{"/api/v1/metadata", `"data":{}`},
		{"/api/v1/targets", `"activeTargets":[]`},
		{"/api/v1/alertmanagers", `"activeAlertmanagers":[]`},
		{"/api/v1/rules", `"groups":[]`},
		{"/api/v1/alerts", `"alerts":[]`},
		{"/api/v1/status/tsdb", `"numSeries":2`},
		{"/api/v1/status/flags", `promql-extended-range-selectors`},
		{"/api/v1/status/runtimeinfo", `"reloadConfigSuccess":true`},
		{"/api/v1/status/buildinfo", `"version":"v0.315.0`},
		{"/api/v1/status/config", `scrape_interval`},
		{"/api/v1/scrape_pools", `"scrapePools":[]`},
		{"/metrics", "prometheus_tsdb_head_series 2"},
		{"/-/healthy", "Healthy"},
		{"/-/ready", "Ready"},
		{"/", "HTTP API"},
		{"/graph", "HTTP API"}, // redirected
		{"/query?g0.expr=up", "HTTP API"},
	} {
		t.Run(test.path, func(t *testing.T) {
			text, _, err := await.Page(t.Context(), server.URL()+test.path, "")
			if err != nil || !strings.Contains(text, test.want) {
				t.Errorf("%v %s\nwant %s in it", err, text, test.want)
			}
		})
	}
}

// A given directory outlives its server, a temporary one does not.
func TestDirectories(t *testing.T) {
	dir := t.TempDir()
	first, err := prom.Start(prom.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, first, series("a", at(0, 0)))
	mustWrite(t, first, series("a", at(15, stale())))
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	raw, err := start(t, prom.Options{Dir: dir}).RawSeries(t.Context(), metric, after(0), after(15))
	if err != nil {
		t.Fatal(err)
	}
	if n := count(raw); n != 2 {
		t.Errorf("%d samples after a restart, want 2", n)
	}

	temporary := start(t, prom.Options{})
	if err := temporary.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(temporary.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("temporary directory: %v", err)
	}
}

// KeepLive writes its first sample before anything can stop it.
func TestKeepLive(t *testing.T) {
	dir, began := t.TempDir(), time.Now()
	server, err := prom.Start(prom.Options{Dir: dir, KeepLive: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.TickAt(began); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	live, err := start(t, prom.Options{Dir: dir}).RawSeries(t.Context(), prom.LiveMetric, began, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if count(live) == 0 {
		t.Error("no live sample")
	}
}

// A tick that comes late, as the slower one of two at once does, is no error.
func TestLateTick(t *testing.T) {
	server, now := start(t, prom.Options{}), time.Now()
	for _, at := range []time.Time{now, now, now.Add(-time.Millisecond), now.Add(-time.Minute)} {
		if err := server.TickAt(at); err != nil {
			t.Error(err)
		}
	}
	live, err := server.RawSeries(t.Context(), prom.LiveMetric, now.Add(-time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	if n := count(live); n != 1 {
		t.Errorf("%d live samples, want the first one alone", n)
	}
}
