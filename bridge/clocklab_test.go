// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/receiver"
)

const clockLabConfig = "remote_write: [{url: 'http://lenient/'}, {url: 'http://strict/'}]\naggregation: {connection_timeout: 60s}\n"

// clockLab is a lab with two receivers and a reference.
type clockLab struct {
	*lab
	reported map[string]int64 // latest total by flow
	totals   map[string]int64 // by target, over all of its flows
	lum      map[string]int64
}

// pipedReceiver is a receiver with the way to it.
type pipedReceiver struct {
	*receiver.Receiver
	dial dialer
}

func newClockLab(t *testing.T) (l *clockLab, lenient, strict pipedReceiver) {
	l = &clockLab{lab: newLab(t), reported: map[string]int64{}, totals: map[string]int64{}, lum: map[string]int64{}}
	l.configure(clockLabConfig)
	connect := func(host string, cfg receiver.Config) pipedReceiver {
		r := receiver.New(cfg)
		t.Cleanup(r.Close)
		p := pipedReceiver{r, r.Pipe()}
		l.serve(host, p.dial)
		return p
	}
	return l, connect("lenient", receiver.Config{}), connect("strict", receiver.Config{Clock: time.Now})
}

// cutOff makes both receivers unreachable.
func (l *clockLab) cutOff() {
	l.serve("lenient", nil)
	l.serve("strict", nil)
}

// reconnect makes them reachable for the next process.
func (l *clockLab) reconnect(lenient, strict pipedReceiver) {
	l.serve("lenient", lenient.dial)
	l.serve("strict", strict.dial)
	lenient.Restarted()
	strict.Restarted()
}

// traffic reports some connections, of which some end and return, for one second.
func (l *clockLab) traffic(now time.Duration) {
	second := int64(now / time.Second)
	for i := range int64(4) {
		if second%10 == i { // continues
			l.report(fmt.Sprintf("long%d", i), 1, 1000+second*(i+1))
		}
		if n := second / (200 + 40*i); second%20 == i && second%(200+40*i) < 50 { // returns after it has ended
			l.report(fmt.Sprintf("short%d", i), n, 10+second%(200+40*i))
		}
	}
}

// report reports a flow to the target, its n-th, with its total of bytes.
func (l *clockLab) report(target string, n, total int64) {
	uuid := fmt.Sprintf("%s-%d", target, n)
	l.totals[target] += total - l.reported[uuid]
	update := input.Metric{ABBytes: total - l.reported[uuid], ABPackets: 1, Start: l.lum[uuid], Last: l.began.UnixMilli() + time.Since(l.began).Milliseconds()}
	if update.Start == 0 {
		update.Start = update.Last - 1000
	}
	l.reported[uuid], l.lum[uuid] = total, update.Last
	metric := update
	metric.ABBytes = total
	l.replica.Update([]input.Flow{{
		UUID: []byte(uuid), NodeTID: []byte("n"), CaptureID: []byte("c"), NetworkA: []byte("10.0.0.1"), NetworkB: []byte(target),
		HasTransport: true, TransportProtocol: []byte("TCP"), TransportA: 1, TransportB: 2,
		Start: update.Last - 1000, Metric: metric, LastUpdate: update, HasLastUpdate: true,
	}})
}

// judge holds what a receiver stored against what was reported.
func (l *clockLab) judge(r pipedReceiver) {
	l.t.Helper()
	for _, v := range r.Violations() {
		l.t.Errorf("violation: %s", v)
	}
	l.judgeSums(r)
}

// judgeSums looks at the sums alone.
func (l *clockLab) judgeSums(r pipedReceiver) {
	l.t.Helper()
	got := map[string]int64{}
	for key, samples := range r.Series() {
		_, rest, ok := strings.Cut(key, `target_ip="`)
		if !ok || !strings.HasPrefix(key, "skydive_network_connection_total_bytes") || !strings.Contains(key, "initiator_to_target") {
			continue
		}
		target, _, _ := strings.Cut(rest, `"`)
		got[target] += int64(receiver.Increase(samples))
	}
	for target, want := range l.totals {
		if got[target] != want {
			l.t.Errorf("%s: %d bytes, want %d", target, got[target], want)
		}
	}
	if len(l.totals) == 0 || len(got) != len(l.totals) {
		l.t.Errorf("%d targets arrived, want %d", len(got), len(l.totals))
	}
}
