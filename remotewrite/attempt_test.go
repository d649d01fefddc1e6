// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// endlessPoster ignores its context: what is asked of it does not end before release.
type endlessPoster struct {
	over  chan struct{}
	under atomic.Int64 // attempts
}

func (e *endlessPoster) Post(context.Context, *client.Body, int) client.Answer {
	e.under.Add(1)
	defer e.under.Add(-1)
	<-e.over
	return client.Answer{Verdict: client.Retry, Words: "released"}
}

func (e *endlessPoster) Renew() {}

func (e *endlessPoster) Close() { <-e.over }

// hang makes the attempts of the endpoint at that place endless, under the settings
// that it has now.
func (r *rig) hang(i int) (e *endlessPoster) {
	e = &endlessPoster{over: make(chan struct{})}
	r.sender.live.all()[i].settings.Load().client = e
	return e
}

func (e *endlessPoster) release() { close(e.over) }

// TestAttemptsThatDoNotEnd has two endpoints, one of which makes attempts that nothing
// ends. Nothing that is done to the sender waits for it, the healthy endpoint gets
// every tick in its time, and a mended one gets what waited.
func TestAttemptsThatDoNotEnd(t *testing.T) {
	healthy := EndpointConfig{Name: "healthy", URL: "http://healthy/"}
	hung := EndpointConfig{Name: "hung", URL: "http://hung/", Timeout: 2 * time.Second, MaxShards: 3, MaxBackoff: time.Second}
	mended := hung
	mended.Timeout = 3 * time.Second
	whole := []receiver.Sample{sample(15000, 0), sample(30000, 1), sample(45000, 2), sample(60000, 3)}
	for _, c := range []struct {
		name string
		then func(r *rig) // after the first tick
		want []receiver.Sample
	}{
		{"mended", func(r *rig) { r.apply(healthy, mended) }, whole},
		{"removed", func(r *rig) { r.apply(healthy) }, nil},
		{"removed and back", func(r *rig) {
			r.apply(healthy)
			r.apply(healthy, mended)
		}, whole[2:]}, // it is new, and counters that run get no zero
		{"renamed", func(r *rig) {
			other := mended
			other.Name = "other"
			r.apply(healthy, other)
		}, whole[2:]},
	} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRig(t, queue.Config{})
			good, bad := r.receiver("healthy", receiver.Config{}), r.receiver("hung", receiver.Config{})
			r.apply(healthy, hung)
			endless := r.hang(1)
			defer endless.release()
			r.value(30000, 15000, true, 1)
			time.Sleep(time.Second) // in the midst of an attempt
			if endless.under.Load() != 1 {
				t.Fatalf("%d attempts, want 1", endless.under.Load())
			}
			began := time.Now()
			if _, err := r.sender.Prepare([]EndpointConfig{healthy, hung}); err != nil {
				t.Fatal(err)
			}
			c.then(r)
			if r.sender.Status(); time.Since(began) > 0 {
				t.Errorf("the change took %v", time.Since(began))
			}
			r.value(45000, 15000, false, 2)
			r.value(60000, 15000, false, 3)
			synctest.Wait()
			if diff := cmp.Diff(map[string][]receiver.Sample{keyA: whole}, good.Series()); diff != "" {
				t.Errorf("the healthy endpoint: %s", diff)
			}
			r.flush()
			got := map[string][]receiver.Sample{}
			if c.want != nil {
				got[keyA] = c.want
			}
			wantEqual(t, got, bad.Series())
			if ticks := r.log.Usage().Ticks; ticks != 0 {
				t.Errorf("%d ticks are kept", ticks)
			}
		})
	}
}

// TestEndlessAttemptsAreBounded leaves an endpoint alone whose attempts do not end. It
// says so, is never overdue, keeps no more of them than it may make at once, and
// Flush and Close come to their end.
func TestEndlessAttemptsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		r.receiver("hung", receiver.Config{})
		r.apply(EndpointConfig{URL: "http://hung/", Timeout: 2 * time.Second, MaxShards: 3, MaxBackoff: time.Second})
		endless := r.hang(0)
		defer endless.release()
		r.value(30000, 15000, true, 1)
		for range 600 {
			time.Sleep(time.Second)
			if late := r.sender.Overdue(); late > 0 {
				t.Fatalf("overdue by %s", late)
			}
		}
		if n := endless.under.Load(); n != 3 {
			t.Errorf("%d attempts have not ended, want 3", n)
		}
		if got := r.sender.Status()[0]; got.BacklogTicks != 1 || got.LastError != "no attempt within 2s: 3 before it do not end" {
			t.Errorf("%+v", got)
		}
		if n := r.count("no answer within 2s, and the attempt does not end"); n == 0 {
			t.Error("not logged")
		}
		if err := r.sender.Flush(canceled(t)); err == nil || !strings.Contains(err.Error(), "not acknowledged") {
			t.Errorf("flush: %v", err)
		}
		began := time.Now()
		r.sender.Close()
		if took := time.Since(began); took > closeTimeout {
			t.Errorf("Close took %v", took)
		}
	})
}

// TestCloseDuringAnEndlessAttempt stops a durable process, and starts the next one: the
// tick that was under way is sent by that one.
func TestCloseDuringAnEndlessAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{FS: disktest.New(1), Dir: "log"})
		rec := r.receiver("a", receiver.Config{})
		r.apply(EndpointConfig{URL: "http://a/", Timeout: time.Minute})
		endless := r.hang(0)
		r.value(30000, 15000, true, 1)
		synctest.Wait()
		began := time.Now()
		r.halt(nil)
		if took := time.Since(began); took > closeTimeout {
			t.Errorf("it took %v", took)
		}
		if n := r.count("does not end although it was stopped"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		r.start()
		r.apply(EndpointConfig{URL: "http://a/", Timeout: time.Minute})
		r.flush()
		endless.release() // after the next process has sent it
		synctest.Wait()
		wantEqual(t, map[string][]receiver.Sample{keyA: {sample(15000, 0), sample(30000, 1)}}, rec.Series())
	})
}

// TestRemovedWhileItsDiskHangs removes an endpoint that reads a tick from a disk that
// does not answer, and adds it again. What it held it lets go of when it ends, late, and
// it changes nothing of its successor's place.
func TestRemovedWhileItsDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := disktest.NewHanging(disktest.New(1))
		r := newRig(t, queue.Config{FS: fs, Dir: "log"})
		rec := r.receiver("a", receiver.Config{})
		cfg := EndpointConfig{Name: "a", URL: "http://a/"}
		r.apply(cfg)
		release := fs.Hang(func(op disktest.Op, _ string) bool { return op == disktest.Read })
		r.value(30000, 15000, true, 1)
		synctest.Wait()
		began := time.Now()
		r.apply()
		r.apply(cfg)
		if took := time.Since(began); took > 0 {
			t.Errorf("the changes took %v", took)
		}
		r.wantMetric(2, "skybridge_abandoned_samples_total")
		release()
		r.value(45000, 15000, false, 2)
		r.flush()
		wantEqual(t, map[string][]receiver.Sample{keyA: {sample(45000, 2)}}, rec.Series())
		r.halt(nil)
		r.start()
		r.apply(cfg)
		r.value(60000, 15000, false, 3)
		r.flush()
		if diff := cmp.Diff(map[string][]receiver.Sample{keyA: {sample(45000, 2), sample(60000, 3)}}, rec.Series()); diff != "" {
			t.Errorf("after a restart: %s", diff)
		}
	})
}
