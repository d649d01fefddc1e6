// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package oldway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/benchmarks/world"
	"github.com/skydive-project/skybridge/internal/analyzer"
)

// BenchmarkDecode is beside that of bridge/skydive/decode, which reads the same messages.
func BenchmarkDecode(b *testing.B) {
	messages, err := analyzer.Recording("../../bridge/skydive/testdata/session-mixed.jsonl")
	if err != nil {
		b.Fatal(err)
	}
	flows := 0
	b.ReportAllocs()
	for b.Loop() {
		for _, m := range messages {
			decoded, err := Decode(m)
			if err != nil {
				b.Fatal(err)
			}
			flows += len(decoded)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(flows), "ns/flow")
}

// TestConnectorShowsWhatItStored looks for the latest values of a connection.
func TestConnectorShowsWhatItStored(t *testing.T) {
	c := New()
	for round := range 3 {
		message, err := json.Marshal(map[string]any{"Type": "store", "Obj": world.Flows(1_700_000_000_000, 0, 10, round)})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := c.Store(message); n != 10 || err != nil {
			t.Fatal(n, err)
		}
	}
	page := httptest.NewRecorder()
	c.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if got := strings.Count(page.Body.String(), "\nskydive_"); got != 50 || c.Connections() != 10 {
		t.Errorf("%d series of %d connections, want 50 of 10", got, c.Connections())
	}
	if !strings.Contains(page.Body.String(), `direction="initiator_to_target",initiator_ip="10.0.0.0"`) || !strings.Contains(page.Body.String(), " 54000\n") {
		t.Errorf("the third report's 54,000 bytes of connection 0 are missing:\n%s", page.Body)
	}
}
