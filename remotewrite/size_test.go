// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestTooLarge proves that what is too large for a receiver arrives in smaller requests,
// in both versions, and that it is not found out at every tick how large they may be,
// but once an hour, and after a change of the configuration.
func TestTooLarge(t *testing.T) {
	for _, message := range []Message{Message1, Message2, MessageAuto} {
		bubble(t, string(message), func(t *testing.T) {
			var large atomic.Int64
			const most = 6000 // bytes: 2,000 samples have more than 15,000
			cfg := EndpointConfig{URL: "http://a/", ProtobufMessage: message}
			f := newTraffic(t, 3000, receiver.Config{MaxBytes: most, Fail: func(_ int, req *http.Request) receiver.Fault {
				if req.ContentLength > most {
					large.Add(1)
				}
				return receiver.Fault{}
			}}, cfg)
			step := func(want bool) {
				t.Helper()
				large.Store(0)
				f.tick()
				if got := large.Load(); got > 0 != want || got > 40 {
					t.Errorf("tick %d: %d requests were too large", f.ticks, got)
				}
			}
			step(true)
			for range 8 {
				step(false)
			}
			time.Sleep(sizeKept)
			step(true)
			step(false)
			cfg.MaxShards = 7
			f.apply(cfg)
			step(true)
			step(false)
			f.flush()
			f.arrived(f.rec)
		})
	}
}

// TestSampleTooLarge proves that of a tick only that sample is lost which is too large
// alone, and that it is counted and named.
func TestSampleTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		rec := r.receiver("a", receiver.Config{MaxBytes: 20_000})
		r.apply(EndpointConfig{URL: "http://a/"})
		noise := make([]string, 4_000)
		for i := range noise {
			noise[i] = fmt.Sprintf("%x", uint64(i*i)*2654435761)
		}
		for i := range int64(3) {
			tick := r.log.Begin(15_000 * (i + 1))
			for n := range 500 {
				label := fmt.Sprint(n)
				if n == 333 {
					label += strings.Join(noise, "")
				}
				tick.Labels([]wire.Label{{Name: "tuple", Value: label}})
				tick.Value(bytesMetric, 1, float64(i))
			}
			r.append(tick)
		}
		r.flush()
		if got := rec.Stored(); got != 3*499 {
			t.Errorf("%d samples stored, want %d", got, 3*499)
		}
		r.wantMetric(3, prefix+"samples_failed_total")
		r.wantMetric(0, prefix+"samples_pending")
		if r.count(`samples=1 first_series="test_bytes{tuple=\"333`) == 0 {
			t.Errorf("%.2000s", r.logged.String())
		}
	})
}

// TestEverythingTooLarge proves that a receiver which refuses every size is not sent
// every sample of every tick alone, and what it is sent in the end arrives.
func TestEverythingTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refuses atomic.Bool
		refuses.Store(true)
		f := newTraffic(t, 2000, receiver.Config{Fail: while(&refuses, receiver.Fault{Status: 413})}, EndpointConfig{})
		for range 10 {
			f.tick()
		}
		if got := f.rec.Requests(); got > 100 {
			t.Errorf("%d requests for 11 blocks", got)
		}
		if got := f.metric(prefix+"samples_failed_total") + f.metric(prefix+"samples_dropped_total"); got < 11*2000 {
			t.Errorf("%v samples are counted", got)
		}
		refuses.Store(false)
		f.tick()
		if got := f.rec.Stored(); got != 2*2000 { // zeros again, and values
			t.Errorf("%d samples stored", got)
		}
	})
}

// TestRepairsTooLarge proves that zeros in place of dropped ones arrive in halves too,
// and so does what was condensed.
func TestRepairsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{MaxBytes: 1, PushInterval: pushInterval})
		var up atomic.Bool
		rec := r.receiver("a", receiver.Config{GiveUps: true, MaxBytes: 200, Fail: unless(&up, receiver.Fault{Status: 503})})
		r.apply(EndpointConfig{URL: "http://a/"})
		f := &traffic{rig: r, series: 30}
		r.value(time.Now().UnixMilli(), 1, false, 0) // held, while the zeros of the next are dropped
		for range 3 {
			f.tick()
		}
		up.Store(true)
		f.tick()
		r.flush()
		for i := range f.series {
			samples := rec.Series()[receiver.Key("test_bytes", map[string]string{"tuple": fmt.Sprint(i)})]
			if got, want := receiver.Increase(samples), float64(f.ticks*(1000+i)); got != want || samples[0].Value() != 0 {
				t.Fatalf("series %d: %v bytes, want %v: %v", i, got, want, samples)
			}
		}
		r.wantMetric(0, prefix+"samples_failed_total")
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{PushInterval: pushInterval})
		var up atomic.Bool
		rec := r.receiver("a", receiver.Config{GiveUps: true, MaxBytes: 200, Fail: unless(&up, receiver.Fault{Status: 503})})
		r.apply(EndpointConfig{URL: "http://a/", BacklogWindow: 2 * time.Minute})
		shortLives(r, 20, 20, 0)
		up.Store(true)
		r.flush()
		if got, want := increase(rec), 18*20*100.0; got != want {
			t.Errorf("%v bytes, want %v", got, want)
		}
		r.wantMetric(0, prefix+"samples_failed_total")
		if r.metric("skybridge_condensed_series_total") == 0 {
			t.Error("nothing was condensed")
		}
	})
}

// TestMetadataTooLarge proves that metadata goes out in halves.
func TestMetadataTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		r.receiver("a", receiver.Config{MaxBytes: 120})
		r.apply(EndpointConfig{URL: "http://a/", MetadataInterval: time.Minute})
		tick := r.log.Begin(15_000)
		tick.Labels([]wire.Label{{Name: "a", Value: "1"}})
		for i := range 7 {
			tick.Value(&wire.Metric{Name: fmt.Sprintf("test_%d_bytes", i), Help: fmt.Sprintf("%d of some things that are counted.", i*i*i*77), Type: wire.Counter}, 1, 1)
		}
		r.append(tick)
		r.flush()
		synctest.Wait()
		got := []float64{r.metric(prefix + "metadata_total"), r.metric(prefix + "metadata_failed_total")}
		wantEqual(t, []float64{7, 0}, got)
	})
}
