// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

func TestReceiverCountsSamples(t *testing.T) {
	first, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Samples: make([]prompb.Sample, 2)}, {Samples: make([]prompb.Sample, 1)}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	second, err := (&writev2.Request{Symbols: []string{""}, Timeseries: []writev2.TimeSeries{{Samples: make([]writev2.Sample, 4)}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r := startReceiver()
	defer r.server.Close()
	for _, test := range []struct {
		name, kind string
		plain      []byte
		want       int64
		status     int
	}{
		{"1.0", "application/x-protobuf", first, 3, http.StatusNoContent},
		{"2.0", "application/x-protobuf;proto=io.prometheus.write.v2.Request", second, 4, http.StatusNoContent},
		{"cut", "application/x-protobuf", first[:len(first)-1], 0, http.StatusBadRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			was, body := r.seen(), snappy.Encode(nil, test.plain)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url(), bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Encoding", "snappy")
			request.Header.Set("Content-Type", test.kind)
			answer, err := r.server.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			now := r.seen()
			if got := now.samples - was.samples; answer.StatusCode != test.status || got != test.want || now.bytes-was.bytes != int64(len(body)) {
				t.Errorf("status %d, %d samples, %d bytes; want %d, %d and %d", answer.StatusCode, got, now.bytes-was.bytes, test.status, test.want, len(body))
			}
		})
	}
}

func TestNumbersAndCommands(t *testing.T) {
	for v, want := range map[float64]string{0.5: "0.5", 12: "12", 999: "999", 1000: "1,000", 1234567.4: "1,234,567"} {
		if got := count(v); got != want {
			t.Errorf("count(%v) is %q, want %q", v, got, want)
		}
	}
	if got := command([]string{"-skybridge=bin/x", "-dir=/var/tmp", "-quick", "-rows=push"}); got != `make bench-report FLAGS="-quick -rows=push"` {
		t.Errorf("shown: %q", got)
	}
	if got := median([]values{{"a": 3}, {"a": 1}, {"a": 2}, {"a": 10}}, "a"); got != 2.5 {
		t.Errorf("the median of 1, 2, 3, 10 is %v", got)
	}
}
