// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// TestRefusedTraffic proves what becomes of traffic while a receiver refuses: of one
// that refuses everything without a look at it, what lives on is there to the byte
// once it accepts, and what ended is counted as lost to the byte; of one that refuses
// values only, what ends is sent once more.
func TestRefusedTraffic(t *testing.T) {
	ticks := []string{
		"1+10",
		"1=110 2+200 3+300", // refused from here
		"1=120 2=210 3=310 4+400",
		"1=130 2=220 3- 4=410 5+500",
		"1=140 2=230 4- 5-", // accepted
		"1- 2=240",
	}
	meanwhile := func(tick, _ int) bool { return tick >= 1 && tick <= 3 }
	for _, c := range []struct {
		name      string
		status    int
		refuses   func(tick, request int) bool
		delivered float64
		refused   float64 // samples, or not sent
	}{
		// All but what 3 counted, which ended before anything was accepted. Of each tick
		// the zeros are refused, those of before too, and the rest is not sent.
		{"404", 404, meanwhile, 140 + 240 + 410 + 500, 10 + (6 + 8) + (8 + 10)},
		{"401", 401, meanwhile, 140 + 240 + 410 + 500, 10 + (6 + 8) + (8 + 10)},
		// The values of the three ticks, and the last values of 3.
		{"404 to values", 404, func(_, request int) bool { return request == 3 || request == 5 || request == 7 || request == 8 },
			140 + 240 + 410 + 500, 6 + 8 + 2 + 10},
		// Zeros may have been stored, so there is no second one, nor does anybody know what
		// is missing: all that 2, 4 and 5 had counted by their first value there.
		{"400", 400, meanwhile, 140 + 10, 10 + 10 + 2 + 12},
	} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRig(t, queue.Config{PushInterval: pushInterval})
			var tick atomic.Int32
			rec := r.receiver("a", receiver.Config{GiveUps: true, Fail: func(n int, _ *http.Request) receiver.Fault {
				if c.refuses(int(tick.Load()), n) {
					return receiver.Fault{Status: c.status, Body: "no"}
				}
				return receiver.Fault{}
			}})
			r.apply(EndpointConfig{URL: "http://a/"})
			if s := r.sender.Status()[0]; s.State() != StateNotContacted || s.OK() {
				t.Errorf("before any tick: %s", s.State())
			}
			script := newScript(r)
			script.counters = append(script.counters, packetsMetric)
			for i, words := range ticks {
				tick.Store(int32(i))
				script.tick(20_000+int64(i)*pushInterval.Milliseconds(), words)
				r.flush()
			}
			if got := increase(rec); got != c.delivered {
				t.Errorf("%v bytes arrived, want %v", got, c.delivered)
			}
			r.wantMetric(310, "skybridge_lost_bytes_total", "reason", reasonRefused)
			r.wantMetric(2, "skybridge_lost_series_total", "reason", reasonRefused)
			if got := r.metric(prefix+"samples_failed_total") + r.metric(prefix+"samples_dropped_total", "reason", reasonRefused); got != c.refused {
				t.Errorf("%v samples are refused or not sent, want %v", got, c.refused)
			}
			if over := r.count("receiver accepts samples again"); (over == 1) != (c.delivered > 1000 && c.name != "404 to values") {
				t.Errorf("the log says %d times that it accepts again", over)
			}
			s := r.sender.Status()[0]
			if s.State() != StateRefusing || float64(s.RefusedSamples) != c.refused || s.LostBytes != 310 {
				t.Errorf("%s, %d samples, %d bytes", s.State(), s.RefusedSamples, s.LostBytes)
			}
			// After a quarter of an hour it is over.
			time.Sleep(14 * time.Minute)
			if s := r.sender.Status()[0]; s.State() != StateRefusing {
				t.Errorf("after 14 minutes: %s", s.State())
			}
			time.Sleep(time.Minute)
			if s := r.sender.Status()[0]; s.State() != StateOK || !s.OK() || s.RefusedSamples != 0 || s.LostBytes != 0 {
				t.Errorf("after 15 minutes: %+v", s)
			}
		})
	}
}

// TestRemedies proves that what is known to help stands in the log and the status.
func TestRemedies(t *testing.T) {
	page := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	for _, c := range []struct {
		fault receiver.Fault
		want  string
	}{
		{receiver.Fault{Status: 301, Header: http.Header{"Location": {"https://a/"}}}, "write the address that it redirects to"},
		{receiver.Fault{Status: 401}, "check the credentials: basic_auth"},
		{receiver.Fault{Status: 403}, "the tenant's header"},
		{receiver.Fault{Status: 404}, "--web.enable-remote-write-receiver"},
		{receiver.Fault{Status: 405}, "check its host, its port, and its path, which is /api/v1/write"},
		{receiver.Fault{Status: 407}, "proxy_url"},
		{receiver.Fault{Status: 413}, "raise the limit of the receiver"},
		{receiver.Fault{Status: 415}, "protobuf_message"},
		{receiver.Fault{Status: 502, Header: page, Body: "<html>"}, "a web page answered, not a receiver"},
		{receiver.Fault{Status: 400, Header: page, Body: "<html>"}, "a web page answered, not a receiver"},
		{receiver.Fault{Status: 400, Body: "out of order"}, ""},
		{receiver.Fault{Status: 503}, ""},
	} {
		bubble(t, strconv.Itoa(c.fault.Status), func(t *testing.T) {
			r := newRig(t, queue.Config{})
			r.receiver("a", receiver.Config{GiveUps: true, Fail: failing(1, c.fault)})
			r.apply(EndpointConfig{URL: "http://a/"})
			r.value(20000, 5000, true, 7)
			r.flush()
			if s := r.sender.Status()[0]; !strings.Contains(s.LastRemedy, c.want) || (s.LastRemedy == "") != (c.want == "") {
				t.Errorf("the status has %q, want %q", s.LastRemedy, c.want)
			}
			if n := r.count(` remedy="`); (n > 0) != (c.want != "") || r.count(c.want) == 0 {
				t.Errorf("the log says\n%s", r.logged.String())
			}
		})
	}
}
