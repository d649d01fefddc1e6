// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// failing fails the first n requests.
func failing(n int, f receiver.Fault) func(int, *http.Request) receiver.Fault {
	return func(i int, _ *http.Request) receiver.Fault {
		if i < n {
			return f
		}
		return receiver.Fault{}
	}
}

func sample(at int64, v float64) receiver.Sample {
	return receiver.Sample{At: at, Bits: math.Float64bits(v)}
}

// TestFaults proves what the sender does about each thing that can go wrong:
// what arrives, how long it takes, and what is counted. The receiver checks every
// duty of a sender on every request (internal/receiver).
func TestFaults(t *testing.T) {
	whole := []receiver.Sample{sample(5000, 0), sample(20000, 7), sample(35000, 9)}
	withoutZero := whole[1:]
	laterZero := []receiver.Sample{sample(20000, 0), whole[2]}
	header := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	const minBackoff, maxBackoff = 100 * time.Millisecond, 2 * time.Second
	for _, c := range []struct {
		name     string
		fail     func(int, *http.Request) receiver.Fault
		final429 bool
		want     []receiver.Sample
		took     [2]time.Duration // at least and at most
		retried  float64
		failed   float64
		dropped  float64 // with its zero, which comes again
		words    string  // in the status' last error
	}{
		{name: "none", want: whole},
		{name: "500", fail: failing(1, receiver.Fault{Status: 500, Body: "out of memory"}), want: whole, retried: 1, took: [2]time.Duration{minBackoff, minBackoff}, words: "out of memory"},
		{name: "500 that had stored", fail: failing(1, receiver.Fault{Status: 500, Store: true}), want: whole, retried: 1, took: [2]time.Duration{minBackoff, minBackoff}},
		{name: "500 again and again", fail: failing(6, receiver.Fault{Status: 500}), want: whole, retried: 6,
			took: [2]time.Duration{2600 * time.Millisecond, 5100 * time.Millisecond}}, // 100, 200, 400, 800, 1600, 2000 ms: half of each, at least 100, to all of each
		{name: "503 with seconds", fail: failing(1, receiver.Fault{Status: 503, Header: header("30")}), want: whole, retried: 1, took: [2]time.Duration{30 * time.Second, 30 * time.Second}},
		{name: "503 with date", fail: func(n int, r *http.Request) receiver.Fault {
			return failing(1, receiver.Fault{Status: 503, Header: header(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))})(n, r)
		}, want: whole, retried: 1, took: [2]time.Duration{time.Minute, time.Minute}},
		{name: "503 for a day", fail: failing(1, receiver.Fault{Status: 503, Header: header("86400")}), want: whole, retried: 1, took: [2]time.Duration{5 * time.Minute, 5 * time.Minute}},
		{name: "429 retried", fail: failing(1, receiver.Fault{Status: 429, Header: header("3")}), want: whole, retried: 1, took: [2]time.Duration{3 * time.Second, 3 * time.Second}},
		{name: "429 not retried", fail: failing(1, receiver.Fault{Status: 429, Header: header("3")}), final429: true, want: laterZero, failed: 1, dropped: 1, words: "429"},
		{name: "408", fail: failing(2, receiver.Fault{Status: 408, Body: "too slow"}), want: whole, retried: 2, took: [2]time.Duration{2 * minBackoff, 3 * minBackoff}, words: "too slow"},
		{name: "425 with seconds", fail: failing(1, receiver.Fault{Status: 425, Header: header("7")}), want: whole, retried: 1, took: [2]time.Duration{7 * time.Second, 7 * time.Second}, words: "Too Early"},
		{name: "400", fail: failing(1, receiver.Fault{Status: 400, Body: "label too long"}), want: withoutZero, failed: 1, words: "label too long"},
		{name: "400 of a broken receiver", fail: failing(1, receiver.Fault{Status: 400, Body: strings.Repeat("x", 100), AnswerPause: time.Second}), want: withoutZero, failed: 1, took: [2]time.Duration{time.Second, time.Second}},
		{name: "hang", fail: failing(2, receiver.Fault{HangForever: true}), want: whole, retried: 2, took: [2]time.Duration{20 * time.Second, 21 * time.Second}, words: "no answer within 10s"},
		{name: "hang, then stored", fail: failing(1, receiver.Fault{HangForever: true, Store: true}), want: whole, retried: 1, took: [2]time.Duration{10 * time.Second, 11 * time.Second}},
		{name: "reset in mid-body", fail: failing(3, receiver.Fault{ResetAfter: 10}), want: whole, retried: 3, took: [2]time.Duration{minBackoff, 7 * minBackoff}},
		{name: "stored and dropped", fail: failing(1, receiver.Fault{Store: true, NoAnswer: true}), want: whole, retried: 1, took: [2]time.Duration{minBackoff, minBackoff}},
		{name: "slow", fail: failing(9, receiver.Fault{ReadPause: time.Second}), want: whole, took: [2]time.Duration{3 * time.Second, 3 * time.Second}},
		{name: "slow answer", fail: failing(1, receiver.Fault{Status: 200, Body: "done", AnswerPause: time.Hour}), want: whole, took: [2]time.Duration{time.Second, time.Second}},
		{name: "redirect", fail: failing(1, receiver.Fault{Status: 301, Header: http.Header{"Location": {"http://elsewhere/"}}}), want: whole, retried: 1, took: [2]time.Duration{minBackoff, minBackoff}, words: "301"},
	} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRig(t, queue.Config{})
			rec := r.receiver("a", receiver.Config{Fail: c.fail, Final429: c.final429, UserAgent: "skybridge/test"})
			r.apply(EndpointConfig{URL: "http://a/", Timeout: 10 * time.Second, MinBackoff: minBackoff, MaxBackoff: maxBackoff, RetryOn429: !c.final429})
			began := time.Now()
			r.value(20000, 5000, true, 7)
			r.value(35000, 5000, false, 9)
			r.flush()
			if took := time.Since(began); took < c.took[0] || took > c.took[1] {
				t.Errorf("took %v, want %v to %v", took, c.took[0], c.took[1])
			}
			wantEqual(t, map[string][]receiver.Sample{keyA: c.want}, rec.Series())
			r.wantMetric(3-c.failed-c.dropped+min(1, c.dropped), prefix+"samples_total")
			r.wantMetric(c.failed, prefix+"samples_failed_total")
			r.wantMetric(c.retried, prefix+"samples_retried_total")
			r.wantMetric(c.dropped, prefix+"samples_dropped_total")
			r.wantMetric(0, prefix+"samples_pending")
			status := r.sender.Status()[0]
			if !strings.Contains(status.LastError, c.words) || (c.words == "" && c.retried+c.failed == 0 && status.LastError != "") {
				t.Errorf("last error %q, want %q in it", status.LastError, c.words)
			}
		})
	}
}

// TestDeadBesideHealthy proves that a dead endpoint costs a healthy one nothing,
// not even time, and that its own loss is counted where the log is full.
func TestDeadBesideHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{MaxAge: 5 * pushInterval})
		healthy := r.receiver("healthy", receiver.Config{})
		hanging := r.receiver("hanging", receiver.Config{GiveUps: true, Fail: failing(math.MaxInt, receiver.Fault{HangForever: true})})
		r.apply(EndpointConfig{Name: "healthy", URL: "http://healthy/"}, EndpointConfig{Name: "hanging", URL: "http://hanging/"}, EndpointConfig{Name: "absent", URL: "http://absent/"})
		const ticks = 40
		f := &traffic{rig: r, series: 1}
		for i := range ticks {
			f.tick()
			if got := r.sender.Status()[0]; got.BacklogTicks != 0 || got.LastSuccess != time.Now() || !got.WaitsSince.IsZero() {
				t.Fatalf("healthy endpoint at tick %d: %+v", i, got)
			}
			// The hanging one holds its first tick for good; then the log's age is what waits.
			if got := r.sender.Status()[1]; got.WaitsSince.IsZero() || time.Since(got.WaitsSince) != time.Duration(got.BacklogTicks-1)*pushInterval && i < 5 {
				t.Fatalf("hanging endpoint at tick %d: %+v", i, got)
			}
		}
		if got := healthy.Stored(); got != ticks+1 {
			t.Errorf("%d samples stored, want %d", got, ticks+1)
		}
		if got := hanging.Stored(); got != 0 {
			t.Errorf("%d samples stored by the dead endpoint", got)
		}
		for _, name := range []string{"hanging", "absent"} {
			in := r.metric(prefix + "samples_in_total")
			dropped, pending := r.metric(prefix+"samples_dropped_total", "remote_name", name, "reason", queue.ReasonTooOld), r.metric(prefix+"samples_pending", "remote_name", name)
			if in != dropped+pending || dropped == 0 {
				t.Errorf("%s: of %v samples, %v dropped and %v pending", name, in, dropped, pending)
			}
		}
		if ticks := r.log.Usage().Ticks; ticks > 7 {
			t.Errorf("log has %d ticks", ticks)
		}
		// One warning in ten seconds and endpoint at most, whatever the backoff.
		if n, most := r.count("push failed"), 2*ticks*15/10+2; n == 0 || n > most {
			t.Errorf("%d warnings, want at most %d", n, most)
		}
		err := r.sender.Flush(canceled(t))
		if err == nil || !strings.Contains(err.Error(), "hanging") || !strings.Contains(err.Error(), "absent") || strings.Contains(err.Error(), "healthy") {
			t.Errorf("flush: %v", err)
		}
	})
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestRepairArrives proves on the wire that a counter whose beginning was
// dropped gets its zero, near enough for rate(), and that others get none.
func TestRepairArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{MaxBytes: 1, PushInterval: pushInterval})
		var up atomic.Bool
		rec := r.receiver("a", receiver.Config{Fail: unless(&up, receiver.Fault{Status: 503})})
		r.apply(EndpointConfig{URL: "http://a/", MaxSamplesPerSend: 1})
		ticks := newScript(r)
		ticks.tick(15000, "old+10 again+100 again~5") // held while the receiver is down
		ticks.tick(30000, "old=20 again- new+7")      // dropped: an end and a beginning
		ticks.tick(45000, "old=30 again>101 new=8")   // dropped: it came back
		up.Store(true)
		ticks.tick(60000, "old=40 again=150 again~6 new=9 newer+3")
		r.flush()
		key := func(name, a string) string { return receiver.Key(name, map[string]string{"a": a}) }
		want := map[string][]receiver.Sample{
			key("test_bytes", "old"):   {sample(0, 0), sample(15000, 10), sample(60000, 40)},
			key("test_bytes", "again"): {sample(0, 0), sample(15000, 100), sample(45000, 0), sample(60000, 150)},
			key("test_bytes", "new"):   {sample(45000, 0), sample(60000, 9)},
			key("test_bytes", "newer"): {sample(45000, 0), sample(60000, 3)},
			key("test_rtt", "again"):   {sample(15000, 5), sample(60000, 6)},
		}
		wantEqual(t, want, rec.Series())
		r.wantMetric(8, prefix+"samples_dropped_total", "reason", queue.ReasonLogFull)
		r.wantMetric(1, "skybridge_stale_markers_dropped_total")
		if got := receiver.Increase(slices.Clone(rec.Series()[key("test_bytes", "again")])); got != 250 {
			t.Errorf("increase %v, want 250", got)
		}
	})
}
