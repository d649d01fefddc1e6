// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

func TestReceiverCountsSamples(t *testing.T) {
	var v1 prompb.WriteRequest
	var v2 writev2.Request
	for i := range 3 {
		v1.Timeseries = append(v1.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: "a"}, {Name: "b", Value: strings.Repeat("c", 300)}},
			Samples: make([]prompb.Sample, i+1),
		})
		v2.Symbols = []string{"", "__name__", "a"}
		v2.Timeseries = append(v2.Timeseries, writev2.TimeSeries{LabelsRefs: []uint32{1, 2}, Samples: []writev2.Sample{{Value: 1, Timestamp: 5, StartTimestamp: 3}}})
	}
	first, err := v1.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	second, err := v2.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r, err := startReceiver()
	if err != nil {
		t.Fatal(err)
	}
	defer r.stop()
	for _, test := range []struct {
		name, kind string
		plain      []byte
		want       int64
		status     int
	}{
		{"1.0", "application/x-protobuf", first, 6, http.StatusNoContent},
		{"2.0", "application/x-protobuf;proto=io.prometheus.write.v2.Request", second, 3, http.StatusNoContent},
		{"cut", "application/x-protobuf", first[:len(first)-1], 0, http.StatusBadRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			was, _ := r.seen()
			req := httptest.NewRequest(http.MethodPost, "/api/v1/write", strings.NewReader(string(snappy.Encode(nil, test.plain))))
			req.Header.Set("Content-Type", test.kind)
			answer := httptest.NewRecorder()
			r.ServeHTTP(answer, req)
			now, err := r.seen()
			if got := now.samples - was.samples; answer.Code != test.status || got != test.want || (err != nil) != (test.status == http.StatusBadRequest) {
				t.Errorf("status %d, %d samples, %v; want %d and %d", answer.Code, got, err, test.status, test.want)
			}
		})
	}
}

// TestProxyCarries sends a megabyte through an open proxy and back, and nothing through
// a closed one.
func TestProxyCarries(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, io.LimitReader(conn, 1<<20))
			conn.Close()
		}
	}()
	p, err := startProxy(echo.Addr().String(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	sent := strings.Repeat("0123456789abcdef", 1<<16)
	for _, open := range []bool{false, true} {
		p.open.Store(open)
		conn, err := net.Dial("tcp", p.address())
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, sent) }()
		got, _ := io.ReadAll(conn) // a closed proxy resets
		conn.Close()
		if want := map[bool]string{true: sent}[open]; string(got) != want {
			t.Errorf("open %t: %d bytes came back, want %d", open, len(got), len(want))
		}
	}
}

func TestReportReplacesReport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sizing.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# Sizing\n" + reportBegins + "old\n" + reportEnds + "more\n")
	for _, text := range []string{"new\n", "newer\n"} {
		if err := replaceReport(file, text); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if diff := cmp.Diff("# Sizing\n"+reportBegins+text+reportEnds+"more\n", string(got)); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	write("# Sizing\n")
	if err := replaceReport(file, "new"); err == nil {
		t.Error("a file without marks was taken")
	}
}

func TestNumbersAndCommands(t *testing.T) {
	for v, want := range map[float64]string{0.5: "0.5", 12: "12", 999: "999", 1000: "1,000", 1234567.4: "1,234,567"} {
		if got := count(v); got != want {
			t.Errorf("count(%v) is %q, want %q", v, got, want)
		}
	}
	args := []string{"-skybridge", "bin/x", "-out=docs/a.md", "-quick", "-rows=push"}
	if got := shownArgs(args); got != "-quick -rows=push" {
		t.Errorf("shown: %q", got)
	}
	if got := median([]values{{"a": 3}, {"a": 1}, {"a": 2}, {"a": 10}}, "a"); got != 2.5 {
		t.Errorf("the median of 1, 2, 3, 10 is %v", got)
	}
}
