// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// TestShards proves that a group goes out in parallel, no wider than allowed,
// that the next group waits for all of it, and that blocks are split as asked.
func TestShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := newTraffic(t, 30, receiver.Config{Fail: func(n int, req *http.Request) receiver.Fault {
			if n < 5 {
				return receiver.Fault{Hang: release}
			}
			return receiver.Fault{}
		}}, EndpointConfig{MinShards: 2, MaxShards: 5, MaxSamplesPerSend: 3, Timeout: time.Hour})
		for i := range 3 {
			f.tick()
			f.wantMetric(float64(60+30*i), prefix+"samples_pending")
			f.wantMetric(2, prefix+"shards") // until one of them has its answer
			f.wantMetric(2, prefix+"shards_desired")
			f.wantMetric(0, prefix+"sent_batch_duration_seconds")
		}
		close(release)
		f.flush()
		synctest.Wait()
		f.wantMetric(4*10, prefix+"sent_batch_duration_seconds") // four groups of 30 samples by 3
		f.wantMetric(5, prefix+"shards")                         // a flush uses all that it may
		f.arrived(f.rec)
	})
}

// TestFarReceiver proves that as many requests are under way as it takes to keep up
// with a receiver that answers late, beginning with the first tick, and more where
// ticks wait; and that one that answers soon is asked by one sender.
func TestFarReceiver(t *testing.T) {
	for _, c := range []struct {
		name         string
		answersAfter time.Duration
		shards       float64 // at least, and 5 more at most
	}{{"near", 2 * time.Millisecond, 1}, {"far", 100 * time.Millisecond, 13}} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRig(t, queue.Config{PushInterval: pushInterval})
			r.receiver("a", receiver.Config{Fail: func(int, *http.Request) receiver.Fault {
				ready := make(chan struct{})
				time.AfterFunc(c.answersAfter, func() { close(ready) })
				return receiver.Fault{Hang: ready}
			}})
			r.apply(EndpointConfig{Name: "a", URL: "http://a/", MaxSamplesPerSend: 2})
			f := &traffic{rig: r, series: 2000} // of 1,000 requests
			for range 3 {
				f.sample()
				time.Sleep(pushInterval)
				if got := r.sender.Status()[0]; got.BacklogTicks != 0 {
					t.Fatalf("%+v", got)
				}
				if got := r.metric(prefix + "shards"); got < c.shards || got > c.shards+5 {
					t.Errorf("%v shards, want about %v", got, c.shards)
				}
			}
			for range 3 {
				f.sample()
				time.Sleep(2 * time.Millisecond)
			}
			time.Sleep(pushInterval)
			if got := r.sender.Status()[0]; got.BacklogTicks != 0 {
				t.Errorf("three ticks take longer than one: %+v", got)
			}
		})
	}
}

// TestGroupBarrier proves with requests that hang that no value leaves before
// every zero of its tick is answered, and no tick before the one before it.
func TestGroupBarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gates := make([]chan struct{}, 6)
		for i := range gates {
			gates[i] = make(chan struct{})
		}
		f := newTraffic(t, 2, receiver.Config{Fail: func(n int, _ *http.Request) receiver.Fault {
			return receiver.Fault{Hang: gates[n]}
		}}, EndpointConfig{MinShards: 8, MaxShards: 8, MaxSamplesPerSend: 1, Timeout: time.Hour})
		f.tick()
		f.tick()
		for i, flown := range []int{2, 2, 4, 4, 6, 6} {
			synctest.Wait()
			if got := f.rec.Requests(); got != flown {
				t.Fatalf("%d requests when %d were answered, want %d", got, i, flown)
			}
			close(gates[i])
		}
		f.flush()
	})
}

// TestCloseInFlight proves that Close cuts off a request that hangs, and the pause before
// another.
func TestCloseInFlight(t *testing.T) {
	for name, fault := range map[string]receiver.Fault{"hangs": {HangForever: true}, "asks for quiet": {Status: 503, Header: http.Header{"Retry-After": {"60"}}}} {
		bubble(t, name, func(t *testing.T) {
			f := newTraffic(t, 1, receiver.Config{Fail: failing(9, fault)}, EndpointConfig{})
			f.tick()
			began := time.Now()
			f.sender.Close()
			if took := time.Since(began); took != 0 {
				t.Errorf("Close took %v", took)
			}
			if err := f.sender.Apply(f.prepare()); err == nil {
				t.Error("Apply works after Close")
			}
			if err := f.sender.Flush(t.Context()); err != nil {
				t.Errorf("Flush after Close: %v", err)
			}
		})
	}
}
