// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/bridge/web/connections"
	"github.com/skydive-project/skybridge/bridge/web/status"
	"github.com/skydive-project/skybridge/internal/rows"
)

var _ Source = (*aggregator.Aggregator)(nil)

// want lists a source's series by name and labels as a receiver of the push
// would have them. It is written without the page's code.
func want(s *rows.Source) map[string]float64 {
	all := make(map[string]float64)
	for _, row := range s.Rows {
		rest := strings.Split(strings.TrimSuffix(row.Values, "\xff"), "\xff")
		build := func(name, direction string) string {
			b := labels.NewBuilder(labels.FromStrings(model.MetricNameLabel, name))
			next := 0
			for i, label := range row.Layout.Names {
				if i == row.Layout.Direction {
					b.Set(label, direction)
					continue
				}
				b.Set(label, rest[next]) // empty: no label
				next++
			}
			return b.Labels().String()
		}
		directions := []string{"initiator_to_target", "target_to_initiator"}
		if row.Layout.Direction < 0 {
			directions = directions[:1]
		}
		for d, direction := range directions {
			all[build("skydive_network_connection_total_bytes", direction)] = float64(row.Bytes[d])
			all[build("skydive_network_connection_total_packets", direction)] = float64(row.Packets[d])
		}
		if row.Gauges[aggregator.RTT] > 0 {
			all[build("skydive_network_connection_rtt_nanoseconds", "initiator_to_target")] = float64(row.Gauges[aggregator.RTT])
		}
	}
	for _, row := range s.Interfaces {
		for i, name := range []string{
			"rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_dropped", "tx_dropped", "rx_errors", "tx_errors",
			"rx_missed_errors", "tx_missed_errors", "collisions",
		} {
			b := labels.NewBuilder(labels.FromStrings(model.MetricNameLabel, "skydive_network_interface_"+name))
			b.Set("interface_name", row.Name).Set("host", row.Host).Set("interface_type", row.Type)
			b.Set("ipv4", row.IPv4).Set("ipv6", row.IPv6).Set("node_tid", row.NodeTID)
			all[b.Labels().String()] = float64(row.Values[i])
		}
	}
	for _, c := range s.Captures {
		values := map[string]uint64{
			"skydive_capture_flows":                      c.FlowCount,
			"skydive_capture_flows_dropped_total":        c.FlowDropped,
			"skydive_capture_kernel_flows_dropped_total": c.KernelFlowDropped,
		}
		if c.HasPackets {
			values["skydive_capture_packets_dropped_total"] = c.PacketsDropped
			values["skydive_capture_packets_received_total"] = c.PacketsReceived
		}
		if c.FlowsKnown > 0 {
			values["skydive_capture_flows_known"] = c.FlowsKnown
		}
		for name, v := range values {
			b := labels.NewBuilder(labels.FromStrings(model.MetricNameLabel, name))
			b.Set("capture_id", c.CaptureID)
			all[b.Labels().String()] = float64(v)
		}
	}
	return all
}

// parsed is a page as Prometheus' own parser reads it.
type parsed struct {
	samples map[string]float64
	types   map[string]model.MetricType
	units   map[string]string
}

func parse(body []byte, contentType string) (parsed, error) {
	out := parsed{map[string]float64{}, map[string]model.MetricType{}, map[string]string{}}
	p, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return out, err
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch entry {
		case textparse.EntrySeries:
			var l labels.Labels
			p.Labels(&l)
			_, _, v := p.Series()
			if _, twice := out.samples[l.String()]; twice {
				return out, fmt.Errorf("series twice: %s", l)
			}
			out.samples[l.String()] = v
		case textparse.EntryType:
			name, kind := p.Type()
			if _, twice := out.types[string(name)]; twice {
				return out, fmt.Errorf("family twice: %s", name)
			}
			out.types[string(name)] = kind
		case textparse.EntryUnit:
			name, unit := p.Unit()
			out.units[string(name)] = string(unit)
		}
	}
}

// rig is a server under test.
type rig struct {
	*Server
	registry *prometheus.Registry
}

// quietOptions are an empty source, a registry and a quiet log.
func quietOptions() (Options, *prometheus.Registry) {
	registry := prometheus.NewRegistry()
	return Options{
		ListenAddresses: []string{"127.0.0.1:0"},
		Source:          &rows.Source{},
		Gatherer:        registry,
		Registerer:      registry,
		Healthy:         func() (bool, string) { return true, "healthy" },
		Ready:           func() (bool, string) { return true, "ready" },
		State:           func() status.Status { return status.Status{Ready: true, Message: "ready"} },
		Version:         "1.2.3",
		Logger:          slog.New(slog.DiscardHandler),
	}, registry
}

// Addr is the first address that it listens on, "" where there is none.
func (r rig) Addr() string { return strings.Join(r.Addresses()[:min(1, len(r.Addresses()))], "") }

// newRig returns a server with an empty source, its own registry and a quiet
// log, all of which change may replace.
func newRig(t testing.TB, change func(*Options)) rig {
	t.Helper()
	opts, registry := quietOptions()
	if change != nil {
		change(&opts)
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.endLife)
	return rig{s, registry}
}

// at makes it a time for the connections, after two ticks.
func (r rig) at(at time.Time) {
	r.connections = connections.New(r.opts.Source, r.opts.Names, func() time.Time { return at })
	r.connections.Tick(at.Add(-15 * time.Second))
	r.connections.Tick(at)
}

// get asks the handler for target with headers in pairs.
func (r rig) get(target string, headers ...string) *httptest.ResponseRecorder {
	return r.do(http.MethodGet, target, headers...)
}

func (r rig) do(method, target string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w
}

// metric returns the value of one of the server's own metrics, by name and
// label value.
func (r rig) metric(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() != name || (label != "" && m.GetLabel()[0].GetValue() != label) {
				continue
			}
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Fatalf("no metric %s %s", name, label)
	return 0
}

const (
	acceptOpenMetrics = "application/openmetrics-text;version=1.0.0"
	acceptText        = "text/plain;version=0.0.4"
)

// body returns an answer's body, unpacked.
func body(t testing.TB, w *httptest.ResponseRecorder) []byte {
	t.Helper()
	if w.Header().Get("Content-Encoding") != "gzip" {
		return w.Body.Bytes()
	}
	zr, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// check parses an answer and compares its samples.
func check(t testing.TB, w *httptest.ResponseRecorder, samples map[string]float64) parsed {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	page := body(t, w)
	got, err := parse(page, w.Header().Get("Content-Type"))
	if err != nil {
		t.Fatalf("parse: %v\n%.2000s", err, page)
	}
	if diff := cmp.Diff(samples, got.samples); diff != "" {
		t.Fatalf("samples (-want +got):\n%s", diff)
	}
	return got
}

// discard is a ResponseWriter without a connection.
type discard struct {
	header http.Header
	n      int64
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { d.n += int64(len(b)); return len(b), nil }

// listening is a server on loopback, ended by stop; web is its web configuration file,
// "" for none.
func listening(t *testing.T, web string, change func(*Options)) (r rig, stop func()) {
	t.Helper()
	r = newRig(t, func(o *Options) {
		if web != "" {
			o.ConfigFile = webFile(t, t.TempDir(), web)
		}
		if change != nil {
			change(o)
		}
	})
	if err := r.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

// webFile writes a web configuration file to dir.
func webFile(t *testing.T, dir, text string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "web.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
