// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/receiver"
)

// TestMetadata1 proves that a metadata request is, byte for byte, what prompb
// makes of the metadata of the blocks' metrics, each there once.
func TestMetadata1(t *testing.T) {
	var b blockBuilder
	var w workspace
	rapid.Check(t, func(t *rapid.T) {
		var want prompb.WriteRequest
		seen := map[*Metric]bool{}
		var blocks []block
		for range rapid.IntRange(1, 3).Draw(t, "blocks") {
			blk, samples := build(&b, drawSamples(t))
			blocks = append(blocks, blk)
			for _, s := range samples {
				if !seen[s.metric] {
					seen[s.metric] = true
					want.Metadata = append(want.Metadata, prompb.MetricMetadata{
						Type: prompb.MetricMetadata_MetricType(s.metric.Type), MetricFamilyName: s.metric.Name, Help: s.metric.Help, Unit: s.metric.Unit,
					})
				}
			}
		}
		wantBytes, err := want.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		families, err := w.buildMetadata(inLog(blocks), 0, math.MaxInt)
		if err != nil || families != len(seen) {
			t.Fatalf("%d families of %d, %v", families, len(seen), err)
		}
		got, err := snappy.Decode(nil, w.body.data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantBytes, got); diff != "" {
			t.Fatal(diff)
		}
	})
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
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, LogConfig{})
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
					tick.Labels([]Label{{"a", "a rather long value, in no way compressible: 0123456789"}})
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
		})
	}
}
