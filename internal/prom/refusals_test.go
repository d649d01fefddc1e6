// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/receiver"
)

// The TSDB refuses what the table in remote-write.md says it refuses.
func TestRefusals(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration, v float64) receiver.Sample {
		return receiver.NewSample(now.Add(-d).UnixMilli(), v)
	}
	for _, test := range []struct {
		name    string
		options prom.Options
		live    bool
		samples []receiver.Sample
		text    string // of a 400
	}{
		{"exact duplicate", prom.Options{}, false, []receiver.Sample{at(0, 1), at(0, 1)}, ""},
		{"repeated stale marker", prom.Options{}, false, []receiver.Sample{at(0, stale()), at(0, stale())}, ""},
		{"same time, other value", prom.Options{}, false, []receiver.Sample{at(0, 1), at(0, 2)}, "duplicate sample"},
		{"out of order", prom.Options{}, false, []receiver.Sample{at(60, 1), at(0, 0)}, "out of order"},
		{"out of order within the window", prom.Options{OutOfOrderWindow: time.Hour}, false, []receiver.Sample{at(60, 1), at(0, 0)}, ""},
		{"3 h old, nothing live", prom.Options{}, false, []receiver.Sample{ago(3*time.Hour, 1)}, ""},
		{"3 h old beside a live series", prom.Options{}, true, []receiver.Sample{ago(3*time.Hour, 1)}, "out of bounds"},
		{"61 min old beside a live series", prom.Options{}, true, []receiver.Sample{ago(61*time.Minute, 1)}, "out of bounds"},
		{"59 min old beside a live series", prom.Options{}, true, []receiver.Sample{ago(59*time.Minute, 1)}, ""},
		{"3 h old beside a live series within the window", prom.Options{OutOfOrderWindow: 4 * time.Hour}, true, []receiver.Sample{ago(3*time.Hour, 1)}, ""},
		{"11 min ahead", prom.Options{}, false, []receiver.Sample{ago(-11*time.Minute, 1)}, "out of bounds"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := start(t, test.options)
			if test.live {
				if err := server.TickAt(now); err != nil {
					t.Fatal(err)
				}
			}
			last := len(test.samples) - 1
			for _, s := range test.samples[:last] {
				mustWrite(t, server, series("a", s))
			}
			err := write(t.Context(), server, series("a", test.samples[last]))
			refused := server.Refused()
			if test.text == "" {
				if err != nil || len(refused) > 0 {
					t.Fatalf("answer %v, kept %q", err, refused)
				}
				return
			}
			if err == nil || len(refused) != 1 || !strings.Contains(refused[0], test.text) ||
				!strings.Contains(err.Error(), "400") || !strings.Contains(err.Error(), refused[0]) {
				t.Errorf("answer %v, kept %q, want 400 %q", err, refused, test.text)
			}
		})
	}
}

// A page of another origin cannot read answers.
func TestOtherOriginsAreRefused(t *testing.T) {
	server := start(t, prom.Options{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL()+"/api/v1/labels", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "http://elsewhere.example")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if allowed := response.Header.Get("Access-Control-Allow-Origin"); allowed != "" {
		t.Errorf("Access-Control-Allow-Origin: %s", allowed)
	}
}

// Errors of queries reach the caller in the engine's words.
func TestQueryErrors(t *testing.T) {
	server := start(t, prom.Options{})
	const broken = "sum("
	if _, err := server.Client().Query(t.Context(), broken, past); err == nil || !strings.Contains(err.Error(), "parse error") {
		t.Errorf("query API: %v", err)
	}
	if _, err := server.RawSeries(t.Context(), "{", past, past); err == nil {
		t.Error("querier: no error")
	}
}

func TestStartRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		options prom.Options
		is      error
		text    string
	}{
		{"all interfaces", prom.Options{ListenAddress: "0.0.0.0:0"}, nil, "not a loopback address"},
		{"no host", prom.Options{ListenAddress: ":0"}, nil, "not a loopback address"},
		{"no port", prom.Options{ListenAddress: "127.0.0.1"}, nil, "missing port"},
		{"port in use", prom.Options{ListenAddress: taken.Addr().String()}, syscall.EADDRINUSE, taken.Addr().String()},
		{"directory is a file", prom.Options{Dir: file}, nil, "open storage"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, err := prom.Start(test.options)
			if err == nil {
				_ = server.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.text) || (test.is != nil && !errors.Is(err, test.is)) {
				t.Errorf("error %v", err)
			}
		})
	}
}
