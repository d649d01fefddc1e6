// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package promsender

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/skydive-project/skybridge/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

// sample is what a receiver gets of one. Age is how long before it its counter began in
// ms, 0: it does not say.
type sample struct {
	Labels string
	Age    int64
	Value  float64
}

// TestSenderSendsTheSameAsWeDo: external labels, and in 2.0 the start timestamps of
// counters; without them the comparison on the wire would not be one.
func TestSenderSendsTheSameAsWeDo(t *testing.T) {
	for name, version2 := range map[string]bool{"1.0": false, "2.0": true} {
		t.Run(name, func(t *testing.T) {
			came := make(chan sample, 100)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				plain, err := snappy.Decode(nil, body)
				if err != nil {
					t.Error(err)
				}
				w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "1")
				if version2 {
					decode2(t, plain, came)
				} else {
					decode1(t, plain, came)
				}
			}))
			defer server.Close()
			s, err := Open(Options{
				Dir: t.TempDir(), URL: server.URL, Version2: version2, BatchDeadline: 10 * time.Millisecond,
				ExternalLabels: labels.FromStrings("cluster", "a"), Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			s.Add(labels.FromStrings("__name__", "bytes", "b", "c"), true)
			s.Add(labels.FromStrings("__name__", "rtt"), false)
			want := map[string]sample{}
			for _, w := range []sample{{`{__name__="bytes", b="c", cluster="a"}`, 500, 7}, {`{__name__="rtt", cluster="a"}`, 0, 8}} {
				if !version2 {
					w.Age = 0
				}
				want[w.Labels] = w
			}
			got := map[string]sample{}
			// The sender looks for a tick that it was not told of only each 15 s, and is not
			// told of any before it listens; so there are several.
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for at := time.Now().UnixMilli() + 1000; len(got) < len(want); { // what is older than its start is not sent
				select {
				case x := <-came:
					got[x.Labels] = x
				case <-tick.C:
					at += 20
					if err := s.Tick(at-500, at, 7); err != nil {
						t.Fatal(err)
					}
				}
			}
			go func() {
				for range came { // the rest is of no interest
				}
			}()
			defer func() { server.Close(); close(came) }()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func decode1(t *testing.T, plain []byte, to chan<- sample) {
	var req prompb.WriteRequest
	if err := req.Unmarshal(plain); err != nil {
		t.Error(err)
	}
	b := labels.NewScratchBuilder(0)
	for _, ts := range req.Timeseries {
		l := ts.ToLabels(&b, nil)
		for _, x := range ts.Samples {
			to <- sample{l.String(), 0, x.Value}
		}
	}
}

func decode2(t *testing.T, plain []byte, to chan<- sample) {
	var req writev2.Request
	if err := req.Unmarshal(plain); err != nil {
		t.Error(err)
	}
	b := labels.NewScratchBuilder(0)
	for _, ts := range req.Timeseries {
		l, err := ts.ToLabels(&b, req.Symbols)
		if err != nil {
			t.Error(err)
		}
		for _, x := range ts.Samples {
			age := int64(0)
			if x.StartTimestamp != 0 {
				age = x.Timestamp - x.StartTimestamp
			}
			to <- sample{l.String(), age, x.Value}
		}
	}
}
