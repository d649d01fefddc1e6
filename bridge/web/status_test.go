// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/bridge/web/status"
)

// exampleStatus is what the docs show, and pages in tests.
func exampleStatus() status.Status {
	at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	return status.Status{
		Version: "1.2.3", Now: at.Add(time.Hour), Started: at, Ready: true, Message: "ready",
		Analyzers: []status.Analyzer{
			{URL: "ws://analyzer-1:8082/ws/subscriber/flow", HostID: "analyzer-1", Connected: true, Since: at, LastMessage: at.Add(time.Hour), Updates: 1234567, UpdatesPerSecond: 342.5},
			{URL: "ws://analyzer-2:8082/ws/subscriber/flow", Since: at, Reconnects: 12, Dropped: 3, LastError: "dial: <refused>", LastErrorAt: at.Add(time.Minute)},
		},
		Missing:  []status.Missing{{HostID: "analyzer-3", KnownBy: "ws://analyzer-1:8082/ws/subscriber/flow"}},
		Topology: []status.Topology{{URL: "http://analyzer-1:8082", OK: true, Nodes: 421, Answered: at.Add(time.Hour - 10*time.Second)}},
		Endpoints: []status.Endpoint{
			{Name: "mimir", URL: "https://mimir.example.net/api/v1/push", Version: "2.0", Shards: 1, OK: true, State: "ok", LastSuccess: at.Add(time.Hour)},
			{
				Name: "prometheus", URL: "http://prometheus:9090", Version: "1.0", Shards: 1, State: "refusing", RefusedSamples: 12345, LostBytes: 6_780_000,
				LastError: "HTTP status 404 Not Found: 404 page not found", LastErrorAt: at.Add(time.Hour - 5*time.Second), Remedy: "check the path of url",
			},
		},
		Bounds: status.Bounds{
			Series: status.Bound{Now: 50_012, Limit: 1_000_000}, SeriesPerNode: status.Bound{Now: 20_000, Limit: 20_000},
			Connections: status.Bound{Now: 10_000, Limit: 10_000}, Flows: status.Bound{Now: 41_234, Limit: 4_000_000},
		},
		Overflow: []status.Overflow{{Reason: "max_series", Bytes: 0, Connections: 0}, {Reason: "max_series_per_node", Bytes: 123456, Connections: 320}, {Reason: "top_k", Bytes: 98765432, Connections: 31040}},
		Labels:   []status.Label{{Name: "initiator_port", Values: 8122, SeriesWithout: 2310}, {Name: "protocol", Values: 2, SeriesWithout: 50012}},
		Nodes:    []status.Node{{TID: "4f1d4ac1-5b5a-5e5c-7b5b-1234567890ab", Name: "br0", Series: 20_000, OverflowBytes: 123456}},
		Storage:  status.Storage{Durable: true, Log: status.Bytes{Now: 1_200_000, Limit: 10_000_000_000}, Memory: status.Bytes{Now: 0, Limit: 512_000_000}, State: 8_400_000},
		Config:   "skydive:\n  analyzers: [ws://analyzer-1:8082, ws://analyzer-2:8082]\n",
	}
}

// inDocs holds an answer against the example in the docs, which is thereby true: its
// shape is what others build on.
func inDocs(t *testing.T, body []byte) {
	t.Helper()
	docs, err := os.ReadFile("../../docs/reference/api.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(docs, append([]byte("```json\n"), body...)) {
		t.Errorf("docs/reference/api.md does not have this example:\n%s", body)
	}
}

func TestStatus(t *testing.T) {
	r := newRig(t, func(o *Options) { o.State = exampleStatus })
	w := r.get("/api/v1/status")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, header %v", w.Code, w.Header())
	}
	inDocs(t, w.Body.Bytes())
	if w := r.do("POST", "/api/v1/status"); w.Code != 405 {
		t.Errorf("POST: status %d", w.Code)
	}
}
