// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/skydive-project/skybridge/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

// sent is one sample of series m{a="v"} to send.
type sent struct {
	labels []prompb.Label
	at     int64
	value  float64
}

func one(value string, at int64, v float64) sent {
	return sent{[]prompb.Label{{Name: "__name__", Value: "m"}, {Name: "a", Value: value}}, at, v}
}

func body(t *testing.T, samples ...sent) []byte {
	t.Helper()
	var req prompb.WriteRequest
	for _, s := range samples {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels: s.labels, Samples: []prompb.Sample{{Timestamp: s.at, Value: s.value}},
		})
	}
	plain, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, plain)
}

func body2(t *testing.T, change func(*writev2.Request)) []byte {
	t.Helper()
	req := &writev2.Request{
		Symbols: []string{"", "__name__", "m", "help"},
		Timeseries: []writev2.TimeSeries{{
			LabelsRefs: []uint32{1, 2},
			Samples:    []writev2.Sample{{Timestamp: 10, Value: 1, StartTimestamp: 5}},
			Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: 3},
		}},
	}
	change(req)
	plain, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, plain)
}

func header(version int) http.Header {
	h := http.Header{}
	h.Set("Content-Encoding", "snappy")
	h.Set("User-Agent", "skybridge/test")
	if version == 2 {
		h.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
		h.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	} else {
		h.Set("Content-Type", "application/x-protobuf")
		h.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	}
	return h
}

// peer sends requests to a receiver over pipes.
type peer struct {
	t      *testing.T
	client *http.Client
}

func newPeer(t *testing.T, r *Receiver) *peer {
	transport := &http.Transport{DialContext: r.Pipe()}
	t.Cleanup(func() { transport.CloseIdleConnections(); r.Close() })
	return &peer{t, &http.Client{Transport: transport}}
}

func (p *peer) send(ctx context.Context, method string, h http.Header, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://receiver/api/v1/write", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header = h
	resp, err := p.client.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return resp, err
}

func (p *peer) post(body []byte) int {
	p.t.Helper()
	resp, err := p.send(p.t.Context(), http.MethodPost, header(1), body)
	if err != nil {
		return 0
	}
	return resp.StatusCode
}

// TestDuties proves that each duty of a sender is missed when it is not kept.
func TestDuties(t *testing.T) {
	labels := func(pairs ...string) sent {
		s := sent{at: 1, value: 1}
		for i := 0; i < len(pairs); i += 2 {
			s.labels = append(s.labels, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
		}
		return s
	}
	without := func(name string) http.Header { h := header(1); h.Del(name); return h }
	with := func(version int, name, value string) http.Header { h := header(version); h.Set(name, value); return h }
	good := body(t, one("v", 1, 1))
	good2 := body2(t, func(*writev2.Request) {})
	var stream bytes.Buffer
	w := snappy.NewBufferedWriter(&stream)
	_, _ = w.Write([]byte("plain"))
	_ = w.Close()

	for _, c := range []struct {
		name   string
		method string
		header http.Header
		body   []byte
		want   string // in a violation; empty: none
	}{
		{name: "kept, 1.0", body: good},
		{name: "kept, 2.0", header: header(2), body: good2},
		{name: "method", method: http.MethodPut, body: good, want: "method is PUT"},
		{name: "no encoding", header: without("Content-Encoding"), body: good, want: "Content-Encoding"},
		{name: "other encoding", header: with(1, "Content-Encoding", "gzip"), body: good, want: "Content-Encoding"},
		{name: "content type", header: with(1, "Content-Type", "application/x-protobuf; x=y"), body: good, want: "Content-Type"},
		{name: "content type 2", header: with(2, "Content-Type", "application/x-protobuf; proto=io.prometheus.write.v2.Request"), body: good2, want: "Content-Type"},
		{name: "user agent", header: with(1, "User-Agent", "Go-http-client/1.1"), body: good, want: "User-Agent"},
		{name: "no version", header: without("X-Prometheus-Remote-Write-Version"), body: good, want: "Remote-Write-Version"},
		{name: "version 2", header: with(2, "X-Prometheus-Remote-Write-Version", "0.1.0"), body: good2, want: "Remote-Write-Version"},
		{name: "snappy stream", body: stream.Bytes(), want: "block format"},
		{name: "not protobuf", body: snappy.Encode(nil, []byte("\xff\xff")), want: "WriteRequest"},
		{name: "empty", body: snappy.Encode(nil, nil), want: "no series"},
		{name: "unsorted", body: body(t, labels("__name__", "m", "b", "1", "a", "1")), want: "not in order"},
		{name: "label twice", body: body(t, labels("__name__", "m", "a", "1", "a", "2")), want: "there twice"},
		{name: "empty value", body: body(t, labels("__name__", "m", "a", "")), want: "empty value"},
		{name: "empty name", body: body(t, labels("", "x", "__name__", "m")), want: "label name"},
		{name: "reserved name", body: body(t, labels("__name__", "m", "__x", "1")), want: "label name"},
		{name: "invalid name", body: body(t, labels("__name__", "m", "a-b", "1")), want: "label name"},
		{name: "invalid UTF-8", body: body(t, labels("__name__", "m", "a", "\xff")), want: "UTF-8"},
		{name: "no metric name", body: body(t, labels("a", "1")), want: "no __name__"},
		{name: "metric name", body: body(t, labels("__name__", "1m")), want: "metric name"},
		{name: "series twice", body: body(t, one("v", 1, 1), one("v", 2, 1)), want: "more than one sample"},
		{name: "first symbol", header: header(2), body: body2(t, func(r *writev2.Request) { r.Symbols[0] = "x" }), want: "first symbol"},
		{name: "symbol twice", header: header(2), body: body2(t, func(r *writev2.Request) { r.Symbols = append(r.Symbols, "m") }), want: "there twice"},
		{name: "reference", header: header(2), body: body2(t, func(r *writev2.Request) { r.Timeseries[0].LabelsRefs[1] = 9 }), want: "reference 9"},
		{name: "odd references", header: header(2), body: body2(t, func(r *writev2.Request) { r.Timeseries[0].LabelsRefs = []uint32{1, 2, 3} }), want: "odd number"},
		{name: "no metadata", header: header(2), body: body2(t, func(r *writev2.Request) { r.Timeseries[0].Metadata = writev2.Metadata{} }), want: "no metadata"},
		{name: "start", header: header(2), body: body2(t, func(r *writev2.Request) { r.Timeseries[0].Samples[0].StartTimestamp = 11 }), want: "after its time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := New(Config{})
			p := newPeer(t, r)
			if c.method == "" {
				c.method = http.MethodPost
			}
			if c.header == nil {
				c.header = header(1)
			}
			if _, err := p.send(t.Context(), c.method, c.header, c.body); err != nil {
				t.Fatal(err)
			}
			wantViolation(t, r, c.want)
		})
	}
}

func wantViolation(t *testing.T, r *Receiver, want string) {
	t.Helper()
	got := r.Violations()
	if want == "" {
		if len(got) > 0 {
			t.Errorf("violations: %q", got)
		}
		return
	}
	if !slices.ContainsFunc(got, func(v string) bool { return strings.Contains(v, want) }) {
		t.Errorf("violations %q do not mention %q", got, want)
	}
}

// TestTCP proves that a receiver on a real socket stores and resets.
func TestTCP(t *testing.T) {
	r := New(Config{Fail: func(n int, _ *http.Request) Fault { return Fault{NoAnswer: n == 0} }})
	url, err := r.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	send := func() (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body(t, one("v", 1, 1))))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header(1)
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	if _, err := send(); err == nil {
		t.Error("first request was answered")
	}
	if status, err := send(); err != nil || status != 204 {
		t.Errorf("status %d, error %v", status, err)
	}
	want := map[string][]Sample{Key("m", map[string]string{"a": "v"}): {{At: 1, Bits: math.Float64bits(1)}}}
	if diff := cmp.Diff(want, r.Series()); diff != "" {
		t.Error(diff)
	}
	wantViolation(t, r, "")
}

// TestIncrease proves the sum that tests rely on.
func TestIncrease(t *testing.T) {
	nan := math.Float64frombits(value.StaleNaN)
	for _, test := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"nothing", nil, 0},
		{"only a marker", []float64{nan}, 0},
		{"first sample is a baseline", []float64{100}, 0},
		{"from zero", []float64{0, 100}, 100},
		{"from a baseline", []float64{100, 130}, 30},
		{"standing still", []float64{0, 5, 5, 5}, 5},
		{"reset to zero", []float64{0, 100, 0, 40}, 140},
		{"reset to a value", []float64{0, 100, 40}, 140},
		{"back from zero after a marker", []float64{0, 100, nan, 0, 40}, 140},
		{"higher than ever after a marker and a zero", []float64{0, 100, nan, 0, 400}, 500},
		{"back to the same value", []float64{0, 100, nan, 0, 100}, 200},
		{"back without a zero and lower", []float64{0, 100, nan, 40}, 140},
		{"back without a zero and higher: as PromQL sees it", []float64{0, 100, nan, 140}, 140},
		{"life without bytes", []float64{0, 0, nan, 0, 0, nan, 0, 9}, 9},
		{"marker first", []float64{nan, 0, 3}, 3},
		{"2^52 ends and resets", []float64{0, 1<<52 - 1, nan, 0, 1}, 1 << 52},
	} {
		t.Run(test.name, func(t *testing.T) {
			var samples []Sample
			for i, v := range test.values {
				samples = append(samples, NewSample(int64(i), v))
			}
			if got := Increase(samples); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// TestWithout2 proves what a receiver that does not know 2.0 makes of it: it
// stores nothing, and the same samples in 1.0 are no repeat.
func TestWithout2(t *testing.T) {
	statuses := []int{http.StatusInternalServerError, 0, 0, 0}
	r := New(Config{Without2: &Fault{Status: http.StatusOK, Body: "fine"}, Fail: func(n int, _ *http.Request) Fault {
		return Fault{Status: statuses[n]}
	}})
	p := newPeer(t, r)
	for i, want := range []int{http.StatusInternalServerError, http.StatusOK, http.StatusOK} {
		resp, err := p.send(t.Context(), http.MethodPost, header(2), body2(t, func(*writev2.Request) {}))
		if err != nil || resp.StatusCode != want || resp.Header.Get("X-Prometheus-Remote-Write-Samples-Written") != "" {
			t.Errorf("request %d: %v, %v", i, resp, err)
		}
	}
	if r.Stored() != 0 || r.Unspoken() != 2 || r.Requests() != 3 {
		t.Errorf("%d stored, %d unspoken, %d requests", r.Stored(), r.Unspoken(), r.Requests())
	}
	p.post(body(t, sent{[]prompb.Label{{Name: "__name__", Value: "m"}}, 10, 1}))
	if r.Stored() != 1 || len(r.Violations()) != 0 {
		t.Errorf("%d stored, violations %q", r.Stored(), r.Violations())
	}
}

// TestOtherVersion proves that what was refused in one version, perhaps for it, may come
// in the other one once, and that what answers a web page has stored nothing.
func TestOtherVersion(t *testing.T) {
	in2, in1 := body2(t, func(*writev2.Request) {}), body(t, sent{[]prompb.Label{{Name: "__name__", Value: "m"}}, 10, 1})
	counted := http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"0"}}
	for _, c := range []struct {
		name     string
		faults   []Fault
		versions []int
		want     string
		stored   int
	}{
		{name: "403, then the other", faults: []Fault{{Status: 403}}, versions: []int{2, 1}, stored: 1},
		{name: "the other way round", faults: []Fault{{Status: 404}}, versions: []int{1, 2}, stored: 1},
		{name: "the other is repeated", faults: []Fault{{Status: 400}, {Status: 503}}, versions: []int{2, 1, 1}, stored: 1},
		{name: "refused in both", faults: []Fault{{Status: 400}, {Status: 400}}, versions: []int{2, 1, 2}, want: "sent again", stored: 1},
		{name: "400 of one that speaks 2.0", faults: []Fault{{Status: 400, Header: counted}}, versions: []int{2, 1}, want: "sent again", stored: 1},
		{name: "web page", faults: []Fault{{Status: 200, Drop: true, Body: "<html>"}}, versions: []int{1, 1}, stored: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := New(Config{Fail: func(n int, _ *http.Request) Fault {
				if n < len(c.faults) {
					return c.faults[n]
				}
				return Fault{}
			}})
			p := newPeer(t, r)
			for _, version := range c.versions {
				b := in1
				if version == 2 {
					b = in2
				}
				if _, err := p.send(t.Context(), http.MethodPost, header(version), b); err != nil {
					t.Fatal(err)
				}
			}
			wantViolation(t, r, c.want)
			if r.Stored() != c.stored {
				t.Errorf("%d samples stored", r.Stored())
			}
		})
	}
}

// TestSpeak proves that the versions which a receiver speaks can be changed.
func TestSpeak(t *testing.T) {
	r := New(Config{Without1: &Fault{Status: 415}, MaxBytes: 100})
	p := newPeer(t, r)
	if got := p.post(body(t, one("v", 1, 1))); got != 415 {
		t.Errorf("status %d", got)
	}
	r.Speak(nil, &Fault{Status: 404})
	if got := p.post(body(t, one("v", 1, 1))); got != 204 {
		t.Errorf("status %d", got)
	}
	resp, err := p.send(t.Context(), http.MethodPost, header(2), body2(t, func(*writev2.Request) {}))
	if err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("%v, %v", resp, err)
	}
	if got := p.post(body(t, one(strings.Repeat("0123456789abcdefghijklm", 9)+"!", 1, 1), one("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOP", 1, 1))); got != 413 {
		t.Errorf("status %d", got)
	}
	if r.Unspoken() != 2 || r.Stored() != 1 {
		t.Errorf("%d unspoken, %d stored", r.Unspoken(), r.Stored())
	}
	wantViolation(t, r, "")
}
