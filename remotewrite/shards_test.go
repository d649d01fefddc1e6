// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestShards proves that a group goes out in parallel, no wider than allowed,
// that the next group waits for all of it, and that blocks are split as asked.
func TestShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		release := make(chan struct{})
		r.receiver("a", receiver.Config{Fail: func(n int, req *http.Request) receiver.Fault {
			if n < 5 {
				return receiver.Fault{Hang: release}
			}
			return receiver.Fault{}
		}})
		r.apply(EndpointConfig{Name: "a", URL: "http://a/", MinShards: 2, MaxShards: 5, MaxSamplesPerSend: 3})
		tick := func(at, start int64, zero bool) {
			tick := r.log.Begin(at)
			for i := range 30 {
				tick.Labels([]wire.Label{{Name: "a", Value: fmt.Sprint(i)}})
				if zero {
					tick.Zero(bytesMetric, start)
				}
				tick.Value(bytesMetric, start, 1)
			}
			r.append(tick)
		}
		want := func(shards, desired, requests float64) {
			t.Helper()
			synctest.Wait()
			r.wantMetric(shards, prefix+"shards")
			r.wantMetric(desired, prefix+"shards_desired")
			r.wantMetric(requests, prefix+"sent_batch_duration_seconds")
		}
		tick(1000, 1, true)
		want(2, 2, 0)
		if got := r.metric(prefix + "samples_pending"); got != 60 {
			t.Errorf("%v samples pending", got)
		}
		tick(2000, 1, false)
		tick(3000, 1, false)
		want(2, 2, 0) // until one of them has its answer
		close(release)
		r.flush()
		synctest.Wait()
		r.wantMetric(4*10, prefix+"sent_batch_duration_seconds") // four groups of 30 samples by 3
		r.wantMetric(5, prefix+"shards")                         // a flush uses all that it may
		r.wantMetric(120, prefix+"samples_total")
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
			const series = 2000 // of 1,000 requests
			tick := func() {
				at := time.Now().UnixMilli()
				tick := r.log.Begin(at)
				for i := range series {
					tick.Labels([]wire.Label{{Name: "a", Value: fmt.Sprint(i)}})
					tick.Value(rttMetric, 0, float64(at))
				}
				r.append(tick)
			}
			for range 3 {
				tick()
				time.Sleep(pushInterval)
				if got := r.sender.Status()[0]; got.BacklogTicks != 0 {
					t.Fatalf("%+v", got)
				}
				if got := r.metric(prefix + "shards"); got < c.shards || got > c.shards+5 {
					t.Errorf("%v shards, want about %v", got, c.shards)
				}
			}
			for range 3 {
				tick()
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
		r := newRig(t, queue.Config{})
		gates := make([]chan struct{}, 6)
		for i := range gates {
			gates[i] = make(chan struct{})
		}
		rec := r.receiver("a", receiver.Config{Fail: func(n int, _ *http.Request) receiver.Fault {
			return receiver.Fault{Hang: gates[n]}
		}})
		r.apply(EndpointConfig{URL: "http://a/", MinShards: 8, MaxShards: 8, MaxSamplesPerSend: 1})
		for _, at := range []int64{1000, 2000} {
			tick := r.log.Begin(at)
			for _, a := range []string{"1", "2"} {
				tick.Labels([]wire.Label{{Name: "a", Value: a}})
				if at == 1000 {
					tick.Zero(bytesMetric, 1)
				}
				tick.Value(bytesMetric, 1, float64(at))
			}
			r.append(tick)
		}
		for i, flown := range []int{2, 2, 4, 4, 6, 6} {
			synctest.Wait()
			if got := rec.Requests(); got != flown {
				t.Fatalf("%d requests when %d were answered, want %d", got, i, flown)
			}
			close(gates[i])
		}
		r.flush()
	})
}

// TestCloseInFlight proves that Close cuts off a request that hangs.
func TestCloseInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		r.receiver("a", receiver.Config{Fail: failing(9, receiver.Fault{HangForever: true})})
		r.apply(EndpointConfig{URL: "http://a/"})
		r.value(1000, 1, true, 1)
		synctest.Wait()
		began := time.Now()
		r.sender.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("Close took %v", took)
		}
		if err := r.sender.Apply(r.prepare()); err == nil {
			t.Error("Apply works after Close")
		}
		if err := r.sender.Flush(t.Context()); err != nil {
			t.Errorf("Flush after Close: %v", err)
		}
	})
}
