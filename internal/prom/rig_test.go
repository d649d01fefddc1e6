// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"github.com/skydive-project/skybridge/internal/leaks"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/receiver"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

const metric = "skydive_network_connection_total_bytes"

// past is a time long gone, which nothing here may mind.
var past = time.UnixMilli(1_600_000_000_123)

func stale() float64 { return math.Float64frombits(value.StaleNaN) }

func start(t *testing.T, options prom.Options) *prom.Server {
	t.Helper()
	server, err := prom.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// testingT is what *testing.T and *rapid.T share.
type testingT interface {
	Helper()
	Context() context.Context
	Fatal(...any)
}

// series is one line of a 1.0 request: a counter of one label.
func series(who string, samples ...receiver.Sample) prompb.TimeSeries {
	line := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: metric}, {Name: "who", Value: who}}}
	for _, s := range samples {
		line.Samples = append(line.Samples, prompb.Sample{Timestamp: s.At, Value: s.Value()})
	}
	return line
}

// write posts a 1.0 request and returns the answer's status and text.
func write(t *testing.T, server *prom.Server, lines ...prompb.TimeSeries) (int, string) {
	t.Helper()
	body, err := (&prompb.WriteRequest{Timeseries: lines}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return post10(t, server, body)
}

func post10(t testingT, server *prom.Server, body []byte) (int, string) {
	t.Helper()
	return post(t, server, "application/x-protobuf", "0.1.0", body)
}

func post(t testingT, server *prom.Server, contentType, version string, body []byte) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.WriteURL(), bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Encoding", "snappy")
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("X-Prometheus-Remote-Write-Version", version)
	return do(t, request)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, request)
}

func do(t testingT, request *http.Request) (int, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(text))
}

func mustWrite(t *testing.T, server *prom.Server, lines ...prompb.TimeSeries) {
	t.Helper()
	if status, text := write(t, server, lines...); status != http.StatusNoContent {
		t.Fatalf("write: %d %s", status, text)
	}
}

// at is a sample n seconds after past.
func at(seconds int, v float64) receiver.Sample {
	return receiver.NewSample(past.UnixMilli()+int64(seconds)*1000, v)
}

func after(seconds int) time.Time { return past.Add(time.Duration(seconds) * time.Second) }

func count(all []prom.Series) int {
	n := 0
	for _, s := range all {
		n += len(s.Samples)
	}
	return n
}
