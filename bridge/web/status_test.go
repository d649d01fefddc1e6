// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

// TestStatus holds the answer against the example in the docs, which is thereby true:
// its shape is what others build on.
func TestStatus(t *testing.T) {
	at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	r := newRig(t, func(o *Options) {
		o.State = func() Status {
			return Status{
				Version: "1.2.3", Ready: true, Message: "ready",
				Analyzers: []Analyzer{
					{URL: "ws://analyzer-1:8082/ws/subscriber/flow", Connected: true, Since: at, LastMessage: at.Add(time.Hour)},
					{URL: "ws://analyzer-2:8082/ws/subscriber/flow", Since: at, LastError: "dial: <refused>", LastErrorAt: at.Add(time.Minute)},
				},
				Endpoints: []Endpoint{
					{Name: "mimir", URL: "https://mimir.example.net/api/v1/push", OK: true, LastSuccess: at.Add(time.Hour)},
				},
				Bounds: Bounds{
					Series: Bound{50_012, 1_000_000}, SeriesPerNode: Bound{20_000, 20_000},
					Connections: Bound{10_000, 10_000}, Flows: Bound{41_234, 4_000_000},
				},
				Overflow: []Overflow{{"max_series", 0, 0}, {"max_series_per_node", 123456, 320}, {"top_k", 98765432, 31040}},
				Labels:   []Label{{"initiator_port", 8122, 2310}, {"protocol", 2, 50012}},
				Nodes:    []Node{{"4f1d4ac1-5b5a-5e5c-7b5b-1234567890ab", 20_000, 123456}},
			}
		}
	})
	w := r.get("/api/v1/status")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, header %v", w.Code, w.Header())
	}
	docs, err := os.ReadFile("../../docs/reference/api.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(docs, append([]byte("```json\n"), w.Body.Bytes()...)) {
		t.Errorf("docs/reference/api.md does not have this example:\n%s", w.Body)
	}
	if w := r.do("POST", "/api/v1/status"); w.Code != 405 {
		t.Errorf("POST: status %d", w.Code)
	}
	if !strings.Contains(r.get("/").Body.String(), `href="/api/v1/status"`) {
		t.Error("the landing page has no link to it")
	}
}
