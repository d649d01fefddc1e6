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

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// traffic is counters that run, and what they have counted.
type traffic struct {
	*rig
	rec    *receiver.Receiver
	series int
	ticks  int
	start  int64
}

// newTraffic starts a receiver, an endpoint for it, and counters.
func newTraffic(t *testing.T, series int, rec receiver.Config, cfg EndpointConfig) *traffic {
	t.Helper()
	f := &traffic{rig: newRig(t, queue.Config{}), series: series}
	f.rec = f.receiver("a", rec)
	cfg.URL = "http://a/"
	f.apply(cfg)
	return f
}

// tick waits a push interval and samples the counters, each of which has grown.
func (f *traffic) tick() {
	f.t.Helper()
	time.Sleep(pushInterval)
	f.sample()
	synctest.Wait()
}

func (f *traffic) sample() {
	f.t.Helper()
	now := time.Now().UnixMilli()
	tick := f.log.Begin(now)
	f.ticks++
	if f.ticks == 1 {
		f.start = now - pushInterval.Milliseconds()
	}
	for i := range f.series {
		tick.Labels([]wire.Label{{Name: "tuple", Value: fmt.Sprint(i)}})
		if f.ticks == 1 {
			tick.Zero(bytesMetric, f.start)
		}
		tick.Value(bytesMetric, f.start, float64(f.ticks*(1000+i)))
	}
	f.append(tick)
}

// arrived proves that receivers together have every sample, and every byte.
func (f *traffic) arrived(recs ...*receiver.Receiver) {
	f.t.Helper()
	stored := make(map[string][]receiver.Sample)
	for _, rec := range recs {
		for key, samples := range rec.Series() {
			stored[key] = append(stored[key], samples...)
		}
	}
	for i := range f.series {
		samples := stored[receiver.Key("test_bytes", map[string]string{"tuple": fmt.Sprint(i)})]
		if got, want := receiver.Increase(samples), float64(f.ticks*(1000+i)); got != want || len(samples) != f.ticks+1 {
			f.t.Fatalf("series %d: %v bytes in %d samples, want %v in %d: %v", i, got, len(samples), want, f.ticks+1, samples)
		}
	}
	f.wantMetric(0, prefix+"samples_failed_total")
	f.wantMetric(0, prefix+"samples_dropped_total")
	f.wantMetric(0, prefix+"samples_pending")
}

// wantVersion proves which version is in use at the first endpoint.
func (r *rig) wantVersion(want string) {
	r.t.Helper()
	if got := r.sender.Status()[0].Version; got != want {
		r.t.Errorf("version %s, want %s", got, want)
	}
}

func is2(r *http.Request) bool { return strings.Contains(r.Header.Get("Content-Type"), "v2.Request") }

// TestVersionRefused proves that nothing is lost where a receiver refuses the version
// that it is sent, whichever and however, and that this is settled after one exchange
// for each request that was under way.
func TestVersionRefused(t *testing.T) {
	answer := func(status int) *receiver.Fault { return &receiver.Fault{Status: status, Body: "not here"} }
	type event struct {
		tick               int // before which it happens
		without1, without2 *receiver.Fault
		down               bool
	}
	type testCase struct {
		name     string
		events   []event
		unspoken int    // requests in a version that is not spoken
		version  string // in the end
	}
	cases := []testCase{
		{"only 2.0, down for 22 s", []event{{0, answer(415), nil, true}, {2, answer(415), nil, false}}, 1, "2.0"},
		{"only 1.0, down for 22 s", []event{{0, nil, answer(415), true}, {2, nil, answer(415), false}}, 1, "1.0"},
		{"2.0 is not stored", []event{{0, nil, &receiver.Fault{}, false}}, 1, "1.0"},
		{"rolled back to one that drops 2.0", []event{{5, nil, &receiver.Fault{}, false}}, 4, "1.0"},
	}
	for _, status := range []int{400, 401, 403, 404, 405, 406, 409, 415, 422} {
		cases = append(cases,
			testCase{fmt.Sprintf("%d to 2.0", status), []event{{0, nil, answer(status), false}}, 1, "1.0"},
			testCase{fmt.Sprintf("spoke 2.0, then %d", status), []event{{5, nil, answer(status), false}}, 4, "1.0"},
			testCase{fmt.Sprintf("spoke 1.0, then %d", status), []event{{0, nil, answer(404), false}, {5, answer(status), nil, false}}, 1 + 4, "2.0"},
			testCase{fmt.Sprintf("rolled back while down, %d", status), []event{{4, nil, nil, true}, {7, nil, answer(status), false}}, 4, "1.0"},
		)
	}
	for _, c := range cases {
		bubble(t, c.name, func(t *testing.T) {
			var down atomic.Bool
			f := newTraffic(t, 100, receiver.Config{Fail: while(&down, receiver.Fault{Status: 503})},
				EndpointConfig{ProtobufMessage: MessageAuto, MaxSamplesPerSend: 25, MinShards: 4, MaxShards: 4})
			events := c.events
			for i := range 12 {
				if len(events) > 0 && events[0].tick == i {
					f.rec.Speak(events[0].without1, events[0].without2)
					down.Store(events[0].down)
					events = events[1:]
				}
				f.tick()
			}
			f.flush()
			f.arrived(f.rec)
			if got := f.rec.Unspoken(); got < 1 || got > c.unspoken {
				t.Errorf("%d requests in a version that is not spoken, want 1 to %d", got, c.unspoken)
			}
			f.wantVersion(c.version)
		})
	}
}

// TestVersionSurvivesRestart proves that a backlog goes out in the version that the
// process before had found out, and that nothing is lost where that is another by then,
// or where nothing was found out.
func TestVersionSurvivesRestart(t *testing.T) {
	no := &receiver.Fault{Status: 415}
	for _, c := range []struct {
		name               string
		up                 bool // before the restart
		without1, without2 *receiver.Fault
		then1, then2       *receiver.Fault
		unspoken           int // after the restart
	}{
		{name: "only 2.0", up: true, without1: no, then1: no},
		{name: "only 2.0, never reached before", without1: no, then1: no, unspoken: 1},
		{name: "2.0, then only 1.0", up: true, then2: no, unspoken: 2}, // and the fresh tick asks
		{name: "1.0, then only 2.0", up: true, without2: no, then1: no, unspoken: 1},
	} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRig(t, queue.Config{FS: disktest.New(1), Dir: "log", PushInterval: pushInterval})
			var up atomic.Bool
			up.Store(c.up)
			rec := r.receiver("a", receiver.Config{Without1: c.without1, Without2: c.without2, Fail: unless(&up, receiver.Fault{Status: 503})})
			cfg := EndpointConfig{URL: "http://a/", ProtobufMessage: MessageAuto}
			r.apply(cfg)
			f := &traffic{rig: r, series: 50}
			f.tick()
			f.tick()
			up.Store(false)
			f.tick()
			f.tick()
			r.halt(nil)
			rec.Restarted()
			rec.Speak(c.then1, c.then2)
			r.start()
			before := rec.Unspoken()
			r.apply(cfg)
			up.Store(true)
			r.flush() // the backlog
			f.tick()
			f.tick()
			r.flush()
			f.arrived(rec)
			if got := rec.Unspoken() - before; got != c.unspoken {
				t.Errorf("%d requests in a version that is not spoken, want %d", got, c.unspoken)
			}
		})
	}
}

// TestBothVersionsRefused proves that samples that are refused in both versions are
// counted and reported once, and that a receiver that refuses everything is not asked
// twice for each request; and that what it speaks is found out once it takes some.
func TestBothVersionsRefused(t *testing.T) {
	for _, c := range []struct {
		status, asked int // how often within 40 ticks, and within 40 a day later
	}{
		{401, 1}, {404, 1}, {400, 1},
		{415, 40}, // this cannot be about anything else
	} {
		bubble(t, fmt.Sprint(c.status), func(t *testing.T) {
			var refuses atomic.Bool
			refuses.Store(true)
			var in2 atomic.Int64
			f := newTraffic(t, 50, receiver.Config{Fail: func(_ int, req *http.Request) receiver.Fault {
				if !refuses.Load() {
					return receiver.Fault{}
				}
				if is2(req) {
					in2.Add(1)
				}
				return receiver.Fault{Status: c.status, Body: "go away"}
			}}, EndpointConfig{ProtobufMessage: MessageAuto})
			for range 2 {
				in2.Store(0)
				for range 40 {
					f.tick()
				}
				if got := int(in2.Load()); got != c.asked {
					t.Errorf("2.0 was tried %d times, want %d", got, c.asked)
				}
				time.Sleep(reprobeAfter)
			}
			if got := f.metric(prefix+"samples_failed_total") + f.metric(prefix+"samples_dropped_total"); got < 50*81 {
				t.Errorf("%v samples are counted", got)
			}
			if got := f.count("receiver refused samples"); got == 0 || got > 80 {
				t.Errorf("%d lines in the log", got)
			}
			f.apply(EndpointConfig{URL: "http://a/", ProtobufMessage: MessageAuto})
			refuses.Store(false)
			f.tick()
			f.tick()
			if f.wantVersion("2.0"); f.rec.Stored() < 100 {
				t.Errorf("%d samples stored", f.rec.Stored())
			}
		})
	}
}

// TestRefusedSamplesAreNoVersion proves that a receiver which refuses some samples of
// every tick continues in its version, and is asked once a tick at most.
func TestRefusedSamplesAreNoVersion(t *testing.T) {
	for _, c := range []struct {
		name     string
		without2 *receiver.Fault
		refusal  receiver.Fault
		version  string
		asked    int // in the other version, of 20 refusals
	}{
		{"1.0", &receiver.Fault{Status: 415}, receiver.Fault{Status: 400, Body: "label too long"}, "1.0", 21},
		{"1.0, drops 2.0", &receiver.Fault{}, receiver.Fault{Status: 409, Body: "out of order"}, "1.0", 21},
		{"2.0 that counts", nil, receiver.Fault{Status: 400, Header: some, Body: "label too long"}, "2.0", 0},
	} {
		bubble(t, c.name, func(t *testing.T) {
			var refuse atomic.Int64 // how many of the next requests
			f := newTraffic(t, 100, receiver.Config{Without2: c.without2, Fail: func(_ int, req *http.Request) receiver.Fault {
				if (c.without2 == nil || !is2(req)) && refuse.Add(-1) >= 0 {
					return c.refusal
				}
				return receiver.Fault{}
			}}, EndpointConfig{ProtobufMessage: MessageAuto, MaxSamplesPerSend: 10})
			f.tick()
			for range 20 {
				refuse.Store(3)
				f.tick()
			}
			f.wantVersion(c.version)
			if got := f.rec.Unspoken(); got > c.asked {
				t.Errorf("%d requests in the other version, want at most %d", got, c.asked)
			}
			f.wantMetric(20*3*10, prefix+"samples_failed_total")
			f.wantMetric(100+21*100-600, prefix+"samples_total")
			if f.count(c.refusal.Body) == 0 || f.count("does not confirm") > 1 {
				t.Error(f.logged.String())
			}
		})
	}
}

// TestFailsOnTwo proves that something that only fails on all of 2.0 holds up nothing:
// neither the question at the start nor one after a refusal.
func TestFailsOnTwo(t *testing.T) {
	for name, fault := range map[string]receiver.Fault{"500": {Status: 500}, "reset": {NoAnswer: true, Status: 500}, "hang": {HangForever: true}} {
		bubble(t, name, func(t *testing.T) {
			var refuse atomic.Bool
			var in2 atomic.Int64
			f := newTraffic(t, 20, receiver.Config{GiveUps: true, Fail: func(_ int, req *http.Request) receiver.Fault {
				if is2(req) {
					in2.Add(1)
					return fault
				}
				if refuse.CompareAndSwap(true, false) {
					return receiver.Fault{Status: 400}
				}
				return receiver.Fault{}
			}}, EndpointConfig{ProtobufMessage: MessageAuto, Timeout: 2 * time.Second})
			for range 10 {
				f.tick()
			}
			f.flush()
			f.arrived(f.rec)
			if got := in2.Load(); got != askAttempts {
				t.Errorf("%d requests in 2.0, want %d", got, askAttempts)
			}
			refuse.Store(true)
			f.tick()
			f.tick()
			f.flush()
			f.wantMetric(20, prefix+"samples_failed_total")
			if f.wantVersion("1.0"); in2.Load() != 2*askAttempts {
				t.Errorf("%d requests in 2.0", in2.Load())
			}
		})
	}
}

// TestTroubleIsNoVersion proves that a receiver of 2.0 alone which refuses 1.0 as it does
// samples, and fails for a moment when it is first asked, is not taken for one
// that refuses both: it gets what comes after the trouble.
func TestTroubleIsNoVersion(t *testing.T) {
	for _, status := range []int{400, 409, 422} {
		bubble(t, fmt.Sprint(status), func(t *testing.T) {
			var trouble atomic.Bool
			trouble.Store(true)
			f := newTraffic(t, 50, receiver.Config{GiveUps: true, Without1: &receiver.Fault{Status: status}, Fail: func(_ int, req *http.Request) receiver.Fault {
				if is2(req) && trouble.Load() {
					return receiver.Fault{Status: 503}
				}
				return receiver.Fault{}
			}}, EndpointConfig{ProtobufMessage: MessageAuto})
			f.tick()
			time.Sleep(pushInterval / 2)
			trouble.Store(false)
			for range 3 {
				f.tick()
			}
			if f.wantVersion("2.0"); f.rec.Stored() < 3*50 {
				t.Errorf("%d samples stored, want at least %d", f.rec.Stored(), 3*50)
			}
		})
	}
}

// TestWebPage proves that a web page is not taken for a receiver's answer: the log and
// the status name it, and what it swallowed is delivered once a receiver answers. Other
// words with a success, and HTML in the header alone, are one.
func TestWebPage(t *testing.T) {
	html := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	page := receiver.Fault{Status: 200, Drop: true, Header: html, Body: "\n<!DOCTYPE html><title>Log in</title>"}
	for _, message := range []Message{Message1, Message2, MessageAuto} {
		bubble(t, string(message), func(t *testing.T) {
			var down atomic.Bool
			down.Store(true)
			f := newTraffic(t, 50, receiver.Config{Fail: func(int, *http.Request) receiver.Fault {
				if down.Load() {
					return page
				}
				return receiver.Fault{Status: 200, Header: html, Body: "stored, all <b>well</b>"}
			}}, EndpointConfig{ProtobufMessage: message})
			for range 4 {
				f.tick()
			}
			status := f.sender.Status()[0]
			if !strings.Contains(status.LastError, "a web page, which no receiver answers with") || !status.LastSuccess.IsZero() || status.OK() {
				t.Errorf("%+v", status)
			}
			if got := f.count("level=WARN msg=\"push failed, will be repeated\""); got == 0 || got >= f.rec.Requests() || f.count("Log in") != got {
				t.Errorf("%d warnings of %d requests: %s", got, f.rec.Requests(), f.logged.String())
			}
			down.Store(false)
			f.tick()
			f.tick()
			f.flush()
			f.arrived(f.rec)
		})
	}
}
