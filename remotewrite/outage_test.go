// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// outage is a random course of a log with endpoints that are down for long.
type outage struct {
	log     queue.Config
	windows []time.Duration // of the endpoints
	ticks   []outageTick
	durable bool
	// condenseEnds is how many ends the batch has at least.
	condenseEnds int
}

// outageTick is a tick whose process, if it dies, does so after the tick is in the log.
type outageTick struct {
	plannedTick
	course
	down []string // of each endpoint
}

func drawOutage(t *rapid.T, durable bool) outage {
	o := outage{durable: durable, log: queue.Config{PushInterval: pushInterval}}
	o.condenseEnds = rapid.SampledFrom([]int{1, 5, 0}).Draw(t, "condense ends")
	for range rapid.IntRange(1, 3).Draw(t, "endpoints") {
		o.windows = append(o.windows, rapid.SampledFrom([]time.Duration{0, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute}).Draw(t, "window"))
	}
	// From no bound to one that few ticks fit, compacted ones too.
	o.log.MaxBytes = rapid.SampledFrom([]int64{0, 0, 20000, 8000, 3000}).Draw(t, "max bytes")
	if durable {
		o.log.SegmentBytes = rapid.SampledFrom([]int64{0, 1, 3000}).Draw(t, "segment bytes")
	}
	gaps := []time.Duration{pushInterval, pushInterval, pushInterval, pushInterval, pushInterval, 2 * time.Millisecond, 7 * time.Second, time.Minute}
	kinds := []string{"", "500", "500 stored", "stored, dropped", "hang", "hang, stored", "503 later"}
	down := make([]string, len(o.windows))
	for range rapid.IntRange(10, 90).Draw(t, "ticks") {
		tick := outageTick{plannedTick: plannedTick{gap: rapid.SampledFrom(gaps).Draw(t, "gap")}, course: course{dieAt: -1}}
		for range tuples {
			tick.tuples = append(tick.tuples, rapid.SampledFrom([]action{grow, grow, grow, rest, end, short}).Draw(t, "action"))
		}
		for i := range down {
			if rapid.IntRange(0, 14).Draw(t, "change") == 0 {
				down[i] = rapid.SampledFrom(kinds).Draw(t, "down")
			}
		}
		tick.down = slices.Clone(down)
		if durable && rapid.IntRange(0, 9).Draw(t, "dies") == 0 {
			tick.dieAt = rapid.IntRange(0, 25).Draw(t, "die at")
			tick.power = rapid.Bool().Draw(t, "power")
		}
		if durable && rapid.IntRange(0, 19).Draw(t, "ends") == 0 {
			tick.end = rapid.SampledFrom([]string{"stop", "kill", "power"}).Draw(t, "end")
		}
		o.ticks = append(o.ticks, tick)
	}
	return o
}

// outageRun is an outage under way.
type outageRun struct {
	*world
	o         outage
	disk      *disktest.Disk
	down      []atomic.Value // string
	newest    atomic.Int64   // time of the last tick
	receivers []*receiver.Receiver
	endpoints []EndpointConfig
}

func newOutageRun(t *testing.T, o outage) *outageRun {
	r := &outageRun{o: o, disk: disktest.New(1), down: make([]atomic.Value, len(o.windows))}
	if o.durable {
		o.log.FS, o.log.Dir = r.disk, "log"
	}
	o.log.CondenseEnds = o.condenseEnds
	r.world = &world{rig: newRig(t, o.log), appended: make(map[string]map[int64]given)}
	r.rig.judged = true
	for i, window := range o.windows {
		r.down[i].Store("")
		host := fmt.Sprintf("r%d", i)
		// As Prometheus is to the default window: an hour to 50 minutes. A request can
		// be under way while the next tick comes, a minute later.
		oldest := func() int64 { return r.newest.Load() - (window*6/5 + time.Minute).Milliseconds() }
		if window == 0 {
			oldest = nil
		}
		r.receivers = append(r.receivers, r.rig.receiver(host, receiver.Config{GiveUps: true, Oldest: oldest, Fail: func(int, *http.Request) receiver.Fault {
			if r.disk.Dead() {
				return receiver.Fault{ResetAfter: 1} // the process cannot send any more
			}
			return fault(r.down[i].Load().(string))
		}}))
		r.endpoints = append(r.endpoints, EndpointConfig{
			Name: host, URL: "http://" + host + "/", Timeout: 10 * time.Second, RetryOn429: true, BacklogWindow: window,
			MinShards: 1 + i, MaxSamplesPerSend: 1 + 2*i,
		})
	}
	r.rig.apply(r.endpoints...)
	return r
}

// restart ends the process and begins another, which continues with what was
// counted, as the bridge does.
func (r *outageRun) restart(how string) {
	r.rig.sender.Close()
	r.rig.restart(how)
	for _, rec := range r.receivers {
		rec.Restarted()
	}
	r.rig.apply(r.endpoints...)
}

func (r *outageRun) run(t *testing.T) (problems []string) {
	for _, tick := range r.o.ticks {
		time.Sleep(tick.gap)
		switch {
		case r.disk.Dead():
			r.restart(map[bool]string{true: "power", false: "kill"}[tick.power])
		case tick.end != "":
			r.disk.Fail(nil)
			r.restart(tick.end)
		}
		for i, kind := range tick.down {
			r.down[i].Store(kind)
		}
		// The process may die of anything but the tick itself.
		r.disk.Fail(nil)
		r.tick(tick.plannedTick)
		r.newest.Store(r.before)
		r.arm(r.disk, tick.dieAt)
		synctest.Wait()
		if r.disk.Dead() {
			r.restart(map[bool]string{true: "power", false: "kill"}[tick.power])
		}
	}
	time.Sleep(time.Second)
	if r.disk.Dead() {
		r.restart("kill")
	}
	r.disk.Fail(nil)
	for i := range r.down {
		r.down[i].Store("")
	}
	for range 3 { // a batch needs ticks behind it
		time.Sleep(pushInterval)
		r.tick(plannedTick{tuples: make([]action, tuples)})
	}
	time.Sleep(5 * time.Minute)
	r.tick(plannedTick{tuples: make([]action, tuples)})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if err := r.rig.sender.Flush(ctx); err != nil {
		problems = append(problems, err.Error())
	}
	for i := range r.receivers {
		problems = append(problems, r.judge(i)...)
	}
	for _, name := range []string{prefix + "samples_dropped_total", prefix + "samples_failed_total", "skybridge_lost_series_total", "skybridge_lost_bytes_total"} {
		if n := r.rig.metricEver(name); n != 0 && (r.o.log.MaxBytes == 0 || name == prefix+"samples_failed_total") {
			problems = append(problems, fmt.Sprintf("%s is %v", name, n))
		}
	}
	r.checkPending(func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) })
	return problems
}

// judge holds what a receiver has against what was appended.
func (r *outageRun) judge(i int) (problems []string) {
	name := r.endpoints[i].Name
	for _, v := range r.receivers[i].Violations() {
		problems = append(problems, fmt.Sprintf("violation at %s: %s", name, v))
	}
	stored := r.receivers[i].Series()
	missing := 0.0
	for k := range r.tuples {
		key, want := r.key(k), 0.0
		for _, f := range r.finals[key] {
			want += f.value
		}
		if m := r.tuples[k]; m.live {
			want += m.value
		}
		got := receiver.Increase(stored[key])
		missing += want - got
		if got > want || (got != want && r.o.log.MaxBytes == 0) {
			problems = append(problems, fmt.Sprintf("%s at %s: increase %v, want %v: %v", key, name, got, want, stored[key]))
		}
		if n := len(stored[key]); n > 0 && (stored[key][n-1].Stale()) == r.tuples[k].live {
			problems = append(problems, fmt.Sprintf("%s at %s: live is %v, the last sample is %v", key, name, r.tuples[k].live, stored[key][n-1].Value()))
		}
	}
	// Of ticks that were deleted while the batch of them was held it is not known, after
	// a restart, what ended in them.
	unknown := r.rig.metricEver(prefix+"samples_dropped_total", "remote_name", name, "reason", queue.ReasonUnreadable)
	if lost := r.rig.metricEver("skybridge_lost_bytes_total", "remote_name", name); missing > lost && unknown == 0 {
		problems = append(problems, fmt.Sprintf("%s: %v bytes are missing, %v were counted as lost", name, missing, lost))
	}
	return problems
}

func checkOutages(t *testing.T, durable bool) {
	rapid.Check(t, func(rt *rapid.T) {
		o := drawOutage(rt, durable)
		var problems []string
		synctest.Test(t, func(t *testing.T) {
			r := newOutageRun(t, o)
			problems = r.run(t)
			r.rig.sender.Close()
			if err := r.rig.log.Close(); err != nil {
				problems = append(problems, err.Error())
			}
			time.Sleep(time.Minute) // until the receivers have noticed that requests were cut off
		})
		if len(problems) > 0 {
			rt.Fatalf("%s", strings.Join(problems, "\n"))
		}
	})
}

// TestOutages proves that nothing is lost, whatever endpoints are down for how
// long: each counter's increase is what was counted, nothing is out of order, and
// nothing is sent that is too old for its receiver.
func TestOutages(t *testing.T) { checkOutages(t, false) }

// TestOutagesDurable proves it across restarts, also in the middle of the batch.
func TestOutagesDurable(t *testing.T) { checkOutages(t, true) }
