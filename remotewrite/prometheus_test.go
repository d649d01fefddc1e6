// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestPrometheus proves with Prometheus' own write handler and storage that what
// was appended is what it has, also where the fate of every other request was
// unknown to the sender and it sent the same again.
func TestPrometheus(t *testing.T) {
	only1 := remoteapi.MessageTypes{remoteapi.WriteV1MessageType}
	both := remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType}
	for _, c := range []struct {
		name    string
		accepts remoteapi.MessageTypes
		send    Message
		version string
		label   string // of the endpoint's own
	}{
		{"1.0", both, Message1, "1.0", ""},
		{"2.0", both, Message2, "2.0", ""},
		{"auto with 2.0", both, MessageAuto, "2.0", ""},
		{"auto without 2.0", only1, MessageAuto, "1.0", ""},
		{"a label of any characters in 1.0", both, Message1, "1.0", "data-center é"},
		{"a label of any characters in 2.0", both, Message2, "2.0", "data-center é"},
	} {
		t.Run(c.name, func(t *testing.T) { testPrometheus(t, c.accepts, c.send, c.version, c.label) })
	}
}

func testPrometheus(t *testing.T, accepts remoteapi.MessageTypes, send Message, version, label string) {
	logger := slog.New(slog.DiscardHandler)
	db, err := tsdb.Open(t.TempDir(), logger, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	handler := remote.NewWriteHandler(logger, prometheus.NewRegistry(), db, accepts, false, false, false)
	var requests, refusals atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code != http.StatusNoContent && answer.Code != http.StatusUnsupportedMediaType {
			refusals.Add(1)
			t.Errorf("Prometheus answers %d: %s", answer.Code, answer.Body)
		}
		if requests.Add(1)%2 == 1 {
			panic(http.ErrAbortHandler) // stored, and the sender never learns
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
	}))
	t.Cleanup(server.Close)

	r := newRig(t, queue.Config{ExternalLabels: []wire.Label{{Name: "Cluster", Value: "c"}, {Name: "zone", Value: "z"}}})
	sender := NewSender(r.log, prometheus.NewRegistry(), logger, Options{Version: "test"})
	t.Cleanup(sender.Close)
	cfg := EndpointConfig{URL: server.URL, ProtobufMessage: send, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond, MinShards: 4, MaxSamplesPerSend: 50}
	var own []string
	if label != "" {
		cfg.UTF8Names, cfg.ExternalLabels, own = true, []wire.Label{{Name: label, Value: "x"}}, []string{label, "x"}
	}
	prepared, err := sender.Prepare([]EndpointConfig{cfg})
	if err != nil || sender.Apply(prepared) != nil {
		t.Fatal(err)
	}
	want := make(map[string][]receiver.Sample)
	begin := time.Now().Add(-time.Minute).UnixMilli()
	const connections = 100
	for k := range int64(4) {
		at := begin + (k+1)*pushInterval.Milliseconds()
		tick := r.log.Begin(at)
		for i := range connections {
			tick.Labels([]wire.Label{{Name: "initiator_ip", Value: fmt.Sprintf("10.0.0.%d", i)}, {Name: "target_ip", Value: "é"}})
			key := labels.FromStrings(append(own, "__name__", "test_bytes", "Cluster", "c", "zone", "z", "initiator_ip", fmt.Sprintf("10.0.0.%d", i), "target_ip", "é")...).String()
			switch {
			case k == 0:
				tick.Zero(bytesMetric, begin)
				want[key] = append(want[key], sample(begin, 0))
				fallthrough
			case k < 3:
				v := float64(uint64(1)<<52 - uint64(i) + uint64(k)) // counters are exact up to 2^53
				tick.Value(bytesMetric, begin, v)
				want[key] = append(want[key], sample(at, v))
			default:
				tick.Stale(bytesMetric)
				want[key] = append(want[key], receiver.Sample{At: at, Bits: wire.StaleMarker})
			}
		}
		r.append(tick)
	}
	if err := sender.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, want, stored(t, db))
	if got := sender.Status()[0].Version; got != version {
		t.Errorf("version %s is spoken, want %s", got, version)
	}
	if got, want := requests.Load(), int32(10*2); got < want || refusals.Load() != 0 {
		t.Errorf("%d requests, want at least %d, and %d refusals", got, want, refusals.Load())
	}
}

// stored reads everything that the storage has, by series.
func stored(t *testing.T, db *tsdb.DB) map[string][]receiver.Sample {
	t.Helper()
	q, err := db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	out := make(map[string][]receiver.Sample)
	set := q.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
	for set.Next() {
		series := set.At()
		for it := series.Iterator(nil); it.Next() == chunkenc.ValFloat; {
			at, v := it.At()
			key := series.Labels().String()
			out[key] = append(out[key], receiver.Sample{At: at, Bits: math.Float64bits(v)})
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
