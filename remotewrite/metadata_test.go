// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestFamilies proves that each metric of a tick has its metadata once, in whatever
// blocks it is.
func TestFamilies(t *testing.T) {
	var b wire.Builder
	var set wire.LabelSet
	var blocks []queue.Block
	for _, metrics := range [][]*wire.Metric{{bytesMetric, rttMetric, bytesMetric}, {rttMetric, packetsMetric}} {
		for _, m := range metrics {
			b.Add(&set, m, wire.Sample{At: 1})
		}
		blocks = append(blocks, queue.InMemory(b.Take())...)
	}
	got, err := families(blocks)
	want := []prompb.MetricMetadata{
		{Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "test_bytes", Help: "Bytes.", Unit: "bytes"},
		{Type: prompb.MetricMetadata_GAUGE, MetricFamilyName: "test_rtt", Help: "Time.", Unit: "nanoseconds"},
		{Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "test_packets", Help: "Packets."},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestMetadataInterval proves when metadata is sent: to receivers that are sent
// 1.0, at the first tick and then at each interval, never twice for a failure,
// and never while samples wait.
func TestMetadataInterval(t *testing.T) {
	for _, c := range []struct {
		name     string
		message  Message
		interval time.Duration
		fail     int // status of each metadata request
		want     int // requests beside one for each tick
		sent     float64
		failed   float64
	}{
		{"1.0", Message1, time.Minute, 0, 3, 3, 0},
		{"refused", Message1, time.Minute, 400, 3, 0, 3},
		{"failing", Message1, time.Minute, 503, 3, 0, 3},
		{"off", Message1, 0, 0, 0, 0, 0},
		{"2.0", Message2, time.Minute, 0, 0, 0, 0},
		{"seldom", Message1, time.Hour, 0, 1, 1, 0},
	} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRig(t, queue.Config{})
			rec := r.receiver("a", receiver.Config{Fail: func(_ int, req *http.Request) receiver.Fault {
				if req.ContentLength < 60 { // a sample has more labels than its metric has help
					return receiver.Fault{Status: c.fail}
				}
				return receiver.Fault{}
			}})
			r.apply(EndpointConfig{URL: "http://a/", ProtobufMessage: c.message, MetadataInterval: c.interval})
			const ticks = 10
			for i := range int64(ticks) {
				tick := r.log.Begin((i + 1) * 15000)
				tick.Labels([]wire.Label{{Name: "a", Value: "a rather long value, in no way compressible: 0123456789"}})
				tick.Value(bytesMetric, 0, float64(i))
				r.append(tick)
				synctest.Wait()
				time.Sleep(pushInterval)
			}
			if got := rec.Requests() - ticks; got != c.want {
				t.Errorf("%d metadata requests, want %d", got, c.want)
			}
			r.wantMetric(c.sent, prefix+"metadata_total")
			r.wantMetric(c.failed, prefix+"metadata_failed_total")
			r.wantMetric(ticks, prefix+"samples_total")
			if got := r.metric(prefix + "metadata_bytes_total"); (got > 0) != (c.sent > 0) {
				t.Errorf("%v bytes", got)
			}
		})
	}
}
