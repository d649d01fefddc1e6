// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"cmp"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// some is the header of a receiver that speaks 2.0.
var some = http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"1"}}

// TestNegotiation proves which version is settled on, from what the receiver
// answers, and that nothing is lost or sent twice by it. The first tick has its
// zero and its value in requests of their own.
func TestNegotiation(t *testing.T) {
	whole := []receiver.Sample{sample(5000, 0), sample(20000, 7), sample(35000, 9)}
	withStart := []receiver.Sample{{At: 5000, Start: 5000}, {At: 20000, Bits: sample(0, 7).Bits, Start: 5000}, {At: 35000, Bits: sample(0, 9).Bits, Start: 5000}}
	no := func(f receiver.Fault) *receiver.Fault { return &f }
	for _, c := range []struct {
		name     string
		message  Message
		without2 *receiver.Fault
		fail     func(n int, r *http.Request) receiver.Fault
		version  string
		want     []receiver.Sample
		unspoken int
		failed   float64
		dropped  float64 // with its zero, which comes again
		says     string
	}{
		{name: "speaks 2.0", version: "2.0", want: withStart, says: "version=2.0"},
		{name: "415", without2: no(receiver.Fault{Status: 415, Body: "only 1.0 here"}), version: "1.0", want: whole, unspoken: 1, says: "only 1.0 here"},
		{name: "400 of one that cannot read it", without2: no(receiver.Fault{Status: 400, Body: "proto: bad wiretype"}), version: "1.0", want: whole, unspoken: 1, says: "bad wiretype"},
		{name: "204 that stores nothing", without2: no(receiver.Fault{Status: 204}), version: "1.0", want: whole, unspoken: 1, says: "does not confirm"},
		{name: "200 that stores nothing", without2: no(receiver.Fault{Status: 200, Body: "ok"}), version: "1.0", want: whole, unspoken: 1},
		{name: "2xx that says that nothing was stored", without2: no(receiver.Fault{Header: http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"0"}}}), version: "1.0", want: whole, unspoken: 1},
		{name: "400 with a count", fail: failing(1, receiver.Fault{Status: 400, Header: some, Body: "too old"}), version: "2.0", want: withStart[1:], failed: 1, says: "too old"},
		{name: "401 to 2.0", fail: failing(1, receiver.Fault{Status: 401, Body: "who are you"}), version: "1.0", want: whole, says: "who are you"},
		{name: "401 to both", fail: failing(2, receiver.Fault{Status: 401, Body: "who are you"}), version: "2.0", want: []receiver.Sample{sample(20000, 0), withStart[2]}, failed: 1, dropped: 1, says: `first_series="test_bytes{a=\"1\"}"`},
		{name: "500 and then 2.0", fail: failing(3, receiver.Fault{Status: 500, Store: true}), version: "2.0", want: withStart},
		{name: "hang, stored", fail: failing(1, receiver.Fault{HangForever: true, Store: true}), version: "2.0", want: withStart},
		{name: "500 and then 415", without2: no(receiver.Fault{Status: 415}), fail: failing(3, receiver.Fault{Status: 500}), version: "1.0", want: whole, unspoken: 1},
		{name: "only 1.0 wanted", message: Message1, version: "1.0", want: whole},
		{name: "only 2.0 wanted", message: Message2, version: "2.0", want: withStart},
		{name: "only 2.0 wanted, 415", message: Message2, without2: no(receiver.Fault{Status: 415}), version: "2.0", unspoken: 2, failed: 2, dropped: 2, says: "receiver refused samples"},
		{name: "only 2.0 wanted, nothing stored", message: Message2, without2: no(receiver.Fault{}), version: "2.0", unspoken: 3, failed: 3, says: "does not confirm"},
	} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRig(t, queue.Config{})
			rec := r.receiver("a", receiver.Config{Without2: c.without2, Fail: c.fail})
			r.apply(EndpointConfig{URL: "http://a/", ProtobufMessage: cmp.Or(c.message, MessageAuto), Timeout: 10 * time.Second})
			r.value(20000, 5000, true, 7)
			r.flush()
			r.value(35000, 5000, false, 9)
			r.flush()
			want := map[string][]receiver.Sample{}
			if c.want != nil {
				want[keyA] = c.want
			}
			wantEqual(t, want, rec.Series())
			r.wantVersion(c.version)
			if got := rec.Unspoken(); got != c.unspoken {
				t.Errorf("%d requests in a version that is not spoken, want %d", got, c.unspoken)
			}
			r.wantMetric(3-c.failed-c.dropped+min(1, c.dropped), prefix+"samples_total")
			r.wantMetric(c.failed, prefix+"samples_failed_total")
			r.wantMetric(c.dropped, prefix+"samples_dropped_total", "reason", reasonRefused)
			r.wantMetric(0, prefix+"samples_pending")
			r.wantMetric(map[string]float64{"1.0": 1, "2.0": 2}[c.version], "skybridge_remote_write_version")
			if r.count(c.says) == 0 {
				t.Errorf("the log does not say %q: %s", c.says, r.logged.String())
			}
		})
	}
}

// TestAskedAgain proves when 2.0 is tried again: after a day, at a reload, and for
// another URL.
func TestAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		asked := 0
		rec := r.receiver("a", receiver.Config{Without2: &receiver.Fault{Status: 415}})
		cfg := EndpointConfig{Name: "a", URL: "http://a/", ProtobufMessage: MessageAuto}
		r.apply(cfg)
		start := time.Now().UnixMilli()
		tick := func(wantAsked int) {
			t.Helper()
			time.Sleep(pushInterval)
			r.value(time.Now().UnixMilli(), start, false, float64(time.Now().Unix()))
			r.flush()
			if asked += wantAsked; rec.Unspoken() != asked {
				t.Fatalf("2.0 was tried %d times, want %d", rec.Unspoken(), asked)
			}
		}
		tick(1)
		for range 100 {
			tick(0)
		}
		time.Sleep(reprobeAfter - 102*pushInterval)
		tick(0) // a push interval after the question, less than a day
		tick(1)
		tick(0)
		r.apply(cfg) // a reload, even one that changes nothing
		tick(1)
		tick(0)
		cfg.MaxShards = 7
		r.apply(cfg)
		tick(1)

		// Another receiver, which speaks 2.0.
		other := r.receiver("b", receiver.Config{})
		cfg.URL = "http://b/"
		r.apply(cfg)
		tick(0)
		r.wantVersion("2.0")
		r.apply(cfg)
		tick(0)
		if got := other.Requests(); got != 2 {
			t.Errorf("%d requests, want no question to a receiver that speaks 2.0", got)
		}
	})
}

// TestUnlearned proves that a receiver that stops speaking 2.0 in mid-stream,
// with many requests in flight, gets everything in 1.0.
func TestUnlearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		before, after := r.receiver("a", receiver.Config{}), r.receiver("b", receiver.Config{Without2: &receiver.Fault{}})
		cfg := EndpointConfig{Name: "x", URL: "http://a/", ProtobufMessage: MessageAuto, MaxSamplesPerSend: 2, MinShards: 4, MaxShards: 4}
		r.apply(cfg)
		f := &traffic{rig: r, series: 10}
		f.tick()
		r.mu.Lock()
		r.dials["a:80"] = r.dials["b:80"] // a load balancer with an older replica
		r.mu.Unlock()
		synctest.Wait() // until the connections are idle: that of an answer just read may not be yet
		r.sender.live.all()[0].settings.Load().client.Close()
		f.tick()
		f.tick()
		f.arrived(before, after)
		if got := after.Unspoken(); got < 1 || got > 4 {
			t.Errorf("%d requests in 2.0, want one for each sender at most", got)
		}
		r.wantMetric(40, prefix+"samples_total")
	})
}

// TestBacklogDecidesNothing proves that a receiver is not judged by what it says
// to a backlog: that goes out in 1.0, and the newest tick asks.
func TestBacklogDecidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		var second atomic.Int32 // requests in 2.0 after it was up
		f := newTraffic(t, 1, receiver.Config{Fail: func(_ int, req *http.Request) receiver.Fault {
			if !up.Load() {
				return receiver.Fault{Status: 503}
			}
			if is2(req) {
				second.Add(1)
			}
			return receiver.Fault{}
		}}, EndpointConfig{ProtobufMessage: MessageAuto})
		for range 10 {
			f.tick()
		}
		up.Store(true)
		f.flush()
		f.arrived(f.rec)
		if second.Load() != 1 {
			t.Errorf("%d requests in 2.0, want 1", second.Load())
		}
		f.wantVersion("2.0")
	})
}
