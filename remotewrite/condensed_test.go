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

	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestCondensedArrives proves on the wire what becomes of each kind of series in ticks
// that are too old: what the receiver knew, what began and ended unseen, what did
// both several times, what lives on, and a gauge.
func TestCondensedArrives(t *testing.T) {
	for _, message := range []Message{Message1, Message2} {
		for _, rules := range [][]*relabel.Config{nil, {replace("a", "(.*)", "a", "$1")}} {
			t.Run(fmt.Sprintf("%s, %d rules", message, len(rules)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { condensedArrives(t, message, rules) })
			})
		}
	}
}

func condensedArrives(t *testing.T, message Message, rules []*relabel.Config) {
	r := newRig(t, queue.Config{PushInterval: pushInterval})
	var up atomic.Bool
	up.Store(true)
	rec := r.receiver("a", receiver.Config{GiveUps: true, Fail: unless(&up, receiver.Fault{Status: 503})})
	r.apply(EndpointConfig{URL: "http://a/", ProtobufMessage: message, BacklogWindow: 100 * time.Second, WriteRelabelConfigs: rules})
	started := time.Now().UnixMilli()
	at := func(n int64) int64 { return started + 15000*n }
	ticks := newScript(r)
	tick := func(n int64, words string) {
		time.Sleep(time.Until(time.UnixMilli(at(n))))
		ticks.tick(at(n), words)
	}
	tick(1, "known+10 again+10 known~5 older:1000") // older than anybody who looked: it has no start
	up.Store(false)
	tick(2, "known=20 again=11") // held, and given up in the end
	tick(3, "known- known~ older-1010 again- unseen+7")
	tick(4, "unseen- again>100 lives+3")
	tick(5, "lives=3 again-")
	tick(6, "lives=3 again>1000")
	tick(7, "lives=3 again-")
	for n := int64(8); n < 16; n++ {
		tick(n, "lives=3")
	}
	up.Store(true)
	tick(16, "lives=3 again>1")
	r.flush()

	// The first condensed, of ticks 2 to 4, was planned at tick 9 and got its time at tick
	// 15: 90 s before it, and before tick 10. The second is of ticks 5 to 10.
	const p = 10
	base := at(15) - 85_000
	then := base + 5
	key := func(name, a string) string { return receiver.Key(name, map[string]string{"a": a}) }
	stale := func(at int64) receiver.Sample { return receiver.Sample{At: at, Bits: wire.StaleMarker} }
	want := map[string][]receiver.Sample{
		key("test_bytes", "known"):  {sample(at(0), 0), sample(at(1), 10), sample(base, 20), stale(base + 1)},
		key("test_bytes", "unseen"): {sample(base+2, 0), sample(base+3, 7), stale(base + 4)},
		key("test_bytes", "again"): {
			sample(at(0), 0), sample(at(1), 10), sample(base, 11), stale(base + 1), sample(then+2, 0), sample(then+3, 1100), stale(then + 4),
			sample(at(15)+1, 0), sample(at(16), 1),
		},
		key("test_bytes", "lives"): {
			sample(at(p), 0), sample(at(11), 3), sample(at(12), 3), sample(at(13), 3), sample(at(14), 3), sample(at(15), 3), sample(at(16), 3),
		},
		key("test_bytes", "older"): {sample(at(1), 1000), sample(base, 1010), stale(base + 1)},
		key("test_rtt", "known"):   {sample(at(1), 5)},
	}
	got := rec.Series()
	for _, samples := range got {
		for i := range samples {
			samples[i].Start = 0
		}
	}
	wantEqual(t, want, got)
	r.wantMetric(5, "skybridge_condensed_series_total") // one of them twice
	r.wantMetric(0, prefix+"samples_dropped_total")
	r.wantMetric(0, "skybridge_lost_series_total")
}

// TestCompactedRetention proves that a log too small for its ticks keeps what ended in
// them, on disk and in memory, for as long as an endpoint is behind and no longer;
// and that what does not fit is counted in series and bytes.
func TestCompactedRetention(t *testing.T) {
	for _, c := range []struct {
		name string
		max  int64
		lost float64 // at least
	}{
		{"fits", 60_000, 0},
		{"does not fit", 4_000, 1},
	} {
		for _, durable := range []bool{false, true} {
			bubble(t, fmt.Sprintf("%s, durable %v", c.name, durable), func(t *testing.T) {
				cfg := queue.Config{MaxBytes: c.max, PushInterval: pushInterval}
				if durable {
					cfg.FS, cfg.Dir, cfg.SegmentBytes = disktest.New(1), "log", 1000
				}
				r := newRig(t, cfg)
				var up atomic.Bool
				rec := r.receiver("a", receiver.Config{GiveUps: true, Fail: unless(&up, receiver.Fault{Status: 503})})
				r.apply(EndpointConfig{Name: "a", URL: "http://a/", BacklogWindow: time.Hour})
				const ticks = 60
				shortLives(r, ticks, 1, 100)
				if n := r.count("kept only what ended"); !durable && n == 0 {
					t.Error("the log was never full")
				}
				if n := r.metric("skybridge_log_disk_bytes"); durable && n > float64(c.max) {
					t.Errorf("%v bytes on disk", n)
				}
				if n := r.log.Usage().Bytes; n > c.max {
					t.Errorf("%d bytes in the log", n)
				}
				up.Store(true)
				r.flush()
				got := increase(rec)
				lostSeries, lostBytes := r.metric("skybridge_lost_series_total", "reason", queue.ReasonLogFull), r.metric("skybridge_lost_bytes_total", "reason", queue.ReasonLogFull)
				// Each tick but the last two began one that counted 100 and ended. The first
				// that is lost may have arrived: its value was in a tick that was being sent.
				if want := 100*(ticks-2) - lostBytes; got < want || got > want+100 || (c.lost == 0 && got != want) || lostSeries != lostBytes/100 || lostSeries < c.lost || (c.lost == 0 && lostSeries > 0) {
					t.Errorf("increase %v, want %v or one more: %v series with %v bytes lost", got, want, lostSeries, lostBytes)
				}
				if u := r.log.Usage(); u.Ticks != 0 || u.Bytes != 0 {
					t.Errorf("%d ticks with %d bytes are left", u.Ticks, u.Bytes)
				}
			})
		}
	}
}

// shortLives appends n ticks, in each of which but the last two so many counters begin
// that end in the next one, having counted 100, among gauges that make the ticks large.
func shortLives(r *rig, n, counters, gauges int) {
	ticks := newScript(r)
	for i := range n {
		time.Sleep(pushInterval)
		at := time.Now().UnixMilli()
		var words strings.Builder
		for g := range gauges {
			fmt.Fprintf(&words, "gauge%d~%d ", g, at*7919%1000003)
		}
		for c := range counters {
			if i < n-2 {
				fmt.Fprintf(&words, "%d_%d+100 ", i, c)
			}
			if i > 0 && i < n-1 {
				fmt.Fprintf(&words, "%d_%d- ", i-1, c)
			}
		}
		ticks.tick(at, words.String())
	}
}

// TestCondenseAcrossRenaming proves that each end in the batch keeps the name of its time,
// and that what was refused, or waited for an endpoint that is removed, is counted.
func TestCondenseAcrossRenaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{PushInterval: pushInterval})
		var status atomic.Int64
		status.Store(503)
		rec := r.receiver("a", receiver.Config{GiveUps: true, Fail: func(int, *http.Request) receiver.Fault {
			return receiver.Fault{Status: int(status.Load())}
		}})
		cfg := EndpointConfig{Name: "a", URL: "http://a/", BacklogWindow: 2 * time.Minute, ExternalLabels: []wire.Label{{Name: "site", Value: "old"}}}
		gone := EndpointConfig{Name: "gone", URL: "http://absent/", BacklogWindow: 2 * time.Minute}
		r.apply(cfg, gone)
		samples := 0
		script := newScript(r)
		tick := func(words string) {
			time.Sleep(pushInterval)
			script.tick(time.Now().UnixMilli(), words)
			samples = int(r.metric(prefix + "samples_in_total"))
		}
		life := func(v string) {
			tick("1+" + v)
			tick("1-")
			tick("")
		}
		life("7")
		cfg.ExternalLabels = []wire.Label{{Name: "site", Value: "new"}}
		r.apply(cfg, gone)
		life("8")
		for range 10 {
			tick("")
		}
		r.apply(cfg)
		r.wantMetric(float64(samples), "skybridge_abandoned_samples_total")
		status.Store(200)
		r.flush()
		for site, want := range map[string]float64{"old": 7, "new": 8} {
			if got := rec.Series()[receiver.Key("test_bytes", map[string]string{"a": "1", "site": site})]; receiver.Increase(got) != want {
				t.Errorf("%s: %v, want an increase of %v", site, got, want)
			}
		}
		r.wantMetric(2, "skybridge_condensed_series_total")
		r.wantMetric(float64(samples), "skybridge_condensed_samples_total")
		r.wantMetric(0, "skybridge_refused_bytes_total")
		status.Store(400)
		sent := r.metric(prefix + "bytes_total")
		tick("1~1")
		if n := r.metric("skybridge_refused_bytes_total"); n <= 0 || n != r.metric(prefix+"bytes_total")-sent {
			t.Errorf("%v bytes refused", n)
		}
	})
}
