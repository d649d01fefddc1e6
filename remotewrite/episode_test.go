// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// byDefault are the codes that the configuration has by default.
var byDefault = []int{401, 403, 404}

// ticksFor samples the counters for a time.
func (f *traffic) ticksFor(d time.Duration) {
	f.t.Helper()
	for range d / pushInterval {
		f.tick()
	}
}

// TestRotatedPassword proves that nothing is lost where a receiver's password changes and
// password_file follows within 15 minutes, and that status and log say what is wrong, what to
// do and how much time is left; and that after 15 minutes every sample is refused once and
// counted.
func TestRotatedPassword(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		lost  bool
	}{{14 * time.Minute, false}, {16 * time.Minute, true}} {
		bubble(t, c.after.String(), func(t *testing.T) {
			var accepted atomic.Value
			accepted.Store("old")
			file := filepath.Join(t.TempDir(), "password")
			write := func(password string) {
				if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("old")
			f := newTraffic(t, 2, receiver.Config{Retried: byDefault, GiveUps: c.lost, Fail: func(_ int, r *http.Request) receiver.Fault {
				if _, password, _ := r.BasicAuth(); password != accepted.Load() {
					return receiver.Fault{Status: http.StatusUnauthorized}
				}
				return receiver.Fault{}
			}}, EndpointConfig{RetryOnHTTP: byDefault, HTTPClient: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "u", PasswordFile: file}}})
			f.ticksFor(time.Minute)
			accepted.Store("new")
			f.tick()
			until := time.Now().Add(15 * time.Minute)
			if s := f.sender.Status()[0]; s.State() != StateFailing || !s.RetriedUntil.Equal(until) || !strings.Contains(s.LastRemedy, "check the credentials") {
				t.Errorf("%s until %v, want %v: %s", s.State(), s.RetriedUntil, until, s.LastRemedy)
			}
			f.ticksFor(c.after - pushInterval)
			said := "until=" + until.UTC().Format("2006-01-02T15:04:05.000Z")
			if n := f.count(`level=WARN msg="receiver refuses samples, they are retried for 15 minutes"`); n == 0 || f.count(said) != n || f.count(`remedy="check the credentials`) < n {
				t.Errorf("the log says\n%s", f.logged.String())
			}
			if n := f.metric(prefix + "samples_retried_total"); n == 0 {
				t.Error("no retry is counted")
			}
			write("new")
			f.ticksFor(time.Minute)
			f.flush()
			if s := f.sender.Status()[0]; !s.RetriedUntil.IsZero() || (s.State() == StateOK) == c.lost {
				t.Errorf("%s until %v once it accepts", s.State(), s.RetriedUntil)
			}
			if n := f.count("receiver accepts samples again"); n != 1 {
				t.Errorf("the log says %d times that it accepts again", n)
			}
			if !c.lost {
				f.arrived(f.rec)
				return
			}
			f.wantMetric(float64(2*(c.after/pushInterval)), prefix+"samples_failed_total")
			if got, want := increase(f.rec), float64(f.ticks*2001); got != want {
				t.Errorf("%v bytes arrived, want %v: live counters make up for it", got, want)
			}
		})
	}
}

// TestEpisodes proves that the 15 minutes start again after a success and with other
// settings: of refusals that take longer together nothing is lost.
func TestEpisodes(t *testing.T) {
	for name, between := range map[string]func(f *traffic, down *atomic.Bool){
		"success": func(f *traffic, down *atomic.Bool) {
			down.Store(false)
			f.tick()
			f.flush()
			down.Store(true)
		},
		"other settings": func(f *traffic, _ *atomic.Bool) {
			f.apply(EndpointConfig{URL: "http://a/", RetryOnHTTP: byDefault, Timeout: time.Second})
		},
	} {
		bubble(t, name, func(t *testing.T) {
			var down atomic.Bool
			f := newTraffic(t, 2, receiver.Config{Retried: byDefault, Fail: while(&down, receiver.Fault{Status: 403})}, EndpointConfig{RetryOnHTTP: byDefault})
			down.Store(true)
			f.ticksFor(10 * time.Minute)
			between(f, &down)
			f.ticksFor(10 * time.Minute)
			down.Store(false)
			f.tick()
			f.flush()
			f.arrived(f.rec)
		})
	}
}

// TestRefusedForItsContent proves that a receiver that refuses one request of each tick delays
// the others once, for 15 minutes; and that then its refusals are final until there was none
// for 15 minutes, or there are other settings.
func TestRefusedForItsContent(t *testing.T) {
	for _, c := range []struct {
		name    string
		quiet   time.Duration // without a refusal
		change  bool          // of settings
		retried bool
	}{
		{"again after 14 minutes", 14 * time.Minute, false, false},
		{"again after 15 minutes", 15 * time.Minute, false, true},
		{"again after other settings", 0, true, true},
	} {
		bubble(t, c.name, func(t *testing.T) {
			var refuses, refusesAll atomic.Bool
			refuses.Store(true)
			endpoint := EndpointConfig{RetryOnHTTP: byDefault, MaxSamplesPerSend: 1}
			f := newTraffic(t, 4, receiver.Config{Retried: byDefault, GiveUps: true, Fail: func(_ int, r *http.Request) receiver.Fault {
				body, err := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(body))
				plain, _ := snappy.Decode(nil, body)
				if err != nil || refusesAll.Load() || refuses.Load() && bytes.Contains(plain, []byte("tuple\x12\x013")) {
					return receiver.Fault{Status: http.StatusForbidden}
				}
				return receiver.Fault{}
			}}, endpoint)
			f.ticksFor(15 * time.Minute)
			if s := f.sender.Status()[0]; s.RefusedSamples > 0 || s.BacklogTicks == 0 || s.RetriedUntil.IsZero() {
				t.Errorf("in the first 15 minutes: %+v", s)
			}
			f.ticksFor(time.Minute)
			for range 2 * time.Hour / pushInterval {
				f.tick()
				if s := f.sender.Status()[0]; s.BacklogTicks > 0 {
					t.Fatalf("after %d ticks: %d wait", f.ticks, s.BacklogTicks)
				}
			}
			f.wantMetric(float64(f.ticks+1), prefix+"samples_failed_total")
			if got, want := increase(f.rec), float64(f.ticks*(1000+1001+1002)); got != want {
				t.Errorf("%v bytes arrived, want %v", got, want)
			}

			refuses.Store(false)
			lost := f.metric(prefix + "samples_failed_total")
			f.ticksFor(c.quiet - pushInterval)
			if c.change {
				endpoint.URL, endpoint.Timeout = "http://a/", time.Second
				f.apply(endpoint)
			}
			refusesAll.Store(true)
			f.tick()
			refusesAll.Store(false)
			f.flush()
			if !c.retried {
				lost += 4
			}
			f.wantMetric(lost, prefix+"samples_failed_total")
		})
	}
}

// TestRetriedCodes proves which codes are retried: those of the list, and no others.
func TestRetriedCodes(t *testing.T) {
	for _, c := range []struct {
		list    []int
		status  int
		retried bool
	}{
		{byDefault, 401, true}, {byDefault, 403, true}, {byDefault, 404, true},
		{byDefault, 400, false}, {byDefault, 405, false}, {byDefault, 409, false}, {byDefault, 422, false},
		{[]int{418}, 418, true}, {[]int{418}, 401, false}, {nil, 401, false}, {nil, 404, false},
	} {
		bubble(t, fmt.Sprint(c.status, " of ", c.list), func(t *testing.T) {
			r := newRig(t, queue.Config{})
			rec := r.receiver("a", receiver.Config{Retried: c.list, Fail: failing(2, receiver.Fault{Status: c.status})})
			r.apply(EndpointConfig{URL: "http://a/", RetryOnHTTP: c.list})
			r.value(20000, 5000, false, 7)
			r.flush()
			want := map[bool]int{true: 3, false: 1}[c.retried]
			if rec.Requests() != want || rec.Stored() != want/3 {
				t.Errorf("%d requests, %d samples stored", rec.Requests(), rec.Stored())
			}
			r.wantMetric(float64(1-want/3), prefix+"samples_failed_total")
		})
	}
}

// TestRetriedVersion proves that where nothing was accepted yet, retries ask for the version
// each time: a receiver that speaks one, and refuses that for 10 minutes, gets everything.
func TestRetriedVersion(t *testing.T) {
	for version, cfg := range map[string]receiver.Config{
		"1.0": {Without2: &receiver.Fault{Status: 415}}, "2.0": {Without1: &receiver.Fault{Status: 415}},
	} {
		bubble(t, version, func(t *testing.T) {
			var down atomic.Bool
			cfg.Retried = byDefault
			cfg.Fail = func(_ int, r *http.Request) receiver.Fault {
				if down.Load() && is2(r) == (version == "2.0") {
					return receiver.Fault{Status: 404}
				}
				return receiver.Fault{}
			}
			down.Store(true)
			f := newTraffic(t, 2, cfg, EndpointConfig{RetryOnHTTP: byDefault, ProtobufMessage: MessageAuto})
			f.ticksFor(10 * time.Minute)
			down.Store(false)
			f.ticksFor(time.Minute)
			f.flush()
			f.arrived(f.rec)
			f.wantVersion(version)
		})
	}
}

// TestStopWhileRefused proves that a stop in the middle of an episode ends with its deadline
// and leaves the samples on disk for the next process, and that an endpoint is removed at once.
func TestStopWhileRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		f := &traffic{rig: newRig(t, queue.Config{FS: disktest.New(1), Dir: "log"}), series: 2}
		rec := f.receiver("a", receiver.Config{Retried: byDefault, Fail: while(&down, receiver.Fault{Status: 401})})
		endpoint := EndpointConfig{URL: "http://a/", RetryOnHTTP: byDefault}
		f.apply(endpoint)
		f.ticksFor(time.Minute)

		const deadline = 10 * time.Second
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		if err := f.sender.Flush(ctx); err == nil {
			t.Error("flushed")
		}
		f.restart("stop")
		if took := time.Since(began); took != deadline {
			t.Errorf("the stop took %v", took)
		}
		rec.Restarted()
		f.apply(endpoint)
		f.tick()
		down.Store(false)
		f.flush()
		f.arrived(rec)

		down.Store(true)
		f.tick()
		began = time.Now()
		f.apply()
		f.sender.ends.Wait()
		if took := time.Since(began); took > 0 {
			t.Errorf("the removal took %v", took)
		}
	})
}
