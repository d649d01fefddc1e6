// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
)

// courses of a tick beside what the receiver does.
type course struct {
	// end is how the process ends before the tick: "" not at all, "stop" as by
	// SIGTERM, "kill", "power".
	end string
	// dieAt is the operation on the disk, counted from there, at which the process
	// dies; power says whether with the power. Below 0: never.
	dieAt int
	power bool
	// sick fails every operation on the disk of these kinds until the next tick.
	sick []disktest.Op
}

func drawCourse(t *rapid.T, crashes, sick bool) course {
	c := course{dieAt: -1}
	if crashes {
		c.end = rapid.SampledFrom([]string{"", "", "", "", "", "stop", "kill", "power"}).Draw(t, "end")
		if rapid.IntRange(0, 3).Draw(t, "dies") == 0 {
			c.dieAt = rapid.IntRange(0, 12).Draw(t, "die at")
		}
		c.power = rapid.Bool().Draw(t, "power")
	}
	if sick {
		all := []disktest.Op{disktest.Create, disktest.Write, disktest.Sync, disktest.Truncate, disktest.Rename, disktest.Remove, disktest.SyncDir}
		c.sick = rapid.SampledFrom([][]disktest.Op{nil, nil, all, {disktest.Sync}, {disktest.Write}, {disktest.Create}, {disktest.SyncDir}, {disktest.Remove, disktest.Truncate}}).Draw(t, "sick")
	}
	return c
}

// restart ends the process and begins another, which may die of a fault as well.
func (w *world) restart(d *disktest.Disk, endpoint EndpointConfig, c course) {
	w.rig.sender.Close()
	time.Sleep(time.Millisecond) // no process begins in the moment of the last tick
	w.rig.halt(func() {
		if c.end == "stop" && !d.Dead() {
			if err := w.rig.log.Close(); err != nil && !d.Dead() {
				w.rig.t.Error(err)
			}
		} else {
			w.forgotten()
		}
		if c.end == "power" || (d.Dead() && c.power) {
			d.LosePower()
		} else {
			d.Kill()
		}
	})
	for dieAt := c.dieAt; ; dieAt = -1 {
		w.arm(d, dieAt)
		if err := w.rig.open(); err == nil {
			break
		}
		if !d.Dead() {
			w.rig.t.Fatal("the log does not open")
		}
		d.LosePower()
	}
	w.restarts++
	w.rec.Restarted()
	for i := range w.tuples {
		w.tuples[i].live = false
	}
	_, last := w.rig.log.LastTick()
	w.before = max(last, time.Now().UnixMilli())
	w.rig.apply(endpoint)
	w.settle(d)
}

// settle lets the process do what it can do now. One that has died does nothing
// from then on.
func (w *world) settle(d *disktest.Disk) {
	synctest.Wait()
	if d.Dead() {
		w.rig.sender.Close()
	}
}

// arm makes the process die at its n-th operation on the disk.
func (w *world) arm(d *disktest.Disk, n int) {
	if n < 0 {
		d.Fail(nil)
		return
	}
	d.Fail(func(i int, _ disktest.Op, _ string) error {
		if i >= n {
			return disktest.ErrDead
		}
		return nil
	})
}

// forgotten counts what a crash now takes: ticks that the disk does not have.
func (w *world) forgotten() {
	w.uncertain += int(w.rig.log.Usage().MemorySamples)
}

// run follows a plan and returns what is wrong at its end. With courses it does so on a
// disk that fails, in a process that dies.
func run(t *testing.T, p plan, courses []course) (problems []string) {
	d := disktest.New(uint64(len(courses)))
	if courses != nil {
		p.log.FS, p.log.Dir = d, "log"
	}
	// Of a process that dies, another version is not known to be refused.
	calm := !slices.ContainsFunc(courses, func(c course) bool { return c.end != "" || c.dieAt >= 0 || c.sick != nil })
	cfg := receiver.Config{GiveUps: p.log.MaxAge > 0}
	if calm {
		cfg.Without1, cfg.Without2, cfg.MaxBytes = p.without1, p.without2, p.maxBytes
	}
	w := &world{rig: newRig(t, p.log), appended: make(map[string]map[int64]given), endless: p.log.MaxBytes > 0}
	w.rig.judged = true
	w.down.Store("")
	cfg.Fail = func(n int, _ *http.Request) receiver.Fault {
		if d.Dead() {
			return receiver.Fault{ResetAfter: 1} // the process cannot send any more
		}
		if down := w.down.Load().(string); down != "" {
			return fault(down)
		}
		if n < len(p.faults) {
			return fault(p.faults[n])
		}
		return receiver.Fault{}
	}
	w.rec = w.rig.receiver("a", cfg)
	w.rig.apply(p.endpoint)
	w.settle(d)
	for i, tick := range p.ticks {
		time.Sleep(tick.gap)
		if courses != nil {
			w.meet(d, courses[i], p.endpoint)
		}
		if calm && tick.reload {
			p.endpoint.MaxSamplesPerSend = p.endpoint.MaxSamplesPerSend%6 + 1
			w.rig.apply(p.endpoint)
		}
		if calm && tick.swap {
			p.without1, p.without2 = p.without2, p.without1
			if p.without1 != nil && (p.without1.Status == 0 || p.without1.Status == 400) {
				// One that drops 1.0 without a word cannot be found out. And 400 to 1.0 is
				// about the samples, where 2.0 fails.
				p.without1 = &receiver.Fault{Status: 415}
			}
			w.rec.Speak(p.without1, p.without2)
		}
		w.down.Store(tick.down)
		w.tick(tick)
		w.settle(d)
	}
	w.down.Store("")
	if d.Dead() {
		w.restart(d, p.endpoint, course{dieAt: -1})
	}
	d.Fail(nil)
	if courses != nil {
		time.Sleep(time.Second)
		w.tick(plannedTick{tuples: make([]action, tuples)})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	defer cancel()
	if err := w.rig.sender.Flush(ctx); err != nil {
		problems = append(problems, err.Error())
	}
	if err := w.rig.log.Trouble(); err != nil {
		problems = append(problems, fmt.Sprintf("trouble does not end: %v", err))
	}
	if courses != nil { // nothing is left for another process, and nothing of it is wrong
		w.restart(d, p.endpoint, course{end: "stop", dieAt: -1})
	}
	for _, v := range w.rec.Violations() {
		problems = append(problems, "violation: "+v)
	}
	problems = append(problems, w.check(p)...)
	dropped := w.rig.metricEver(prefix + "samples_dropped_total")
	if p.log.MaxAge == 0 && p.log.MaxBytes == 0 && dropped > 0 {
		problems = append(problems, fmt.Sprintf("%v samples were dropped without a bound", dropped))
	}
	if n := w.rig.metricEver("skybridge_log_corruptions_total", "what", "tick") + w.rig.metricEver("skybridge_log_corruptions_total", "what", "segment"); n > 0 {
		problems = append(problems, fmt.Sprintf("%v corruptions in the middle of the log", n))
	}
	w.rig.sender.Close()
	if err := w.rig.log.Close(); err != nil && !errors.Is(err, disktest.ErrDead) {
		problems = append(problems, err.Error())
	}
	time.Sleep(time.Minute) // until the receiver has noticed that requests were cut off
	if len(problems) > 0 {
		problems = append(problems, w.rig.logged.String())
	}
	return problems
}

// meet makes the process and its disk meet what is planned for the time before a tick.
func (w *world) meet(d *disktest.Disk, c course, endpoint EndpointConfig) {
	if c.end != "" || d.Dead() {
		w.restart(d, endpoint, c)
		time.Sleep(time.Second)
	} else {
		w.arm(d, c.dieAt)
	}
	if c.sick != nil {
		d.Fail(func(_ int, op disktest.Op, _ string) error {
			if slices.Contains(c.sick, op) {
				return syscall.EIO
			}
			return nil
		})
	}
}

// TestCrashes proves that a process that is stopped, killed or without power at
// any write, sync or rename of its log loses nothing of what was on disk, sends
// nothing but the group that was under way a second time, and that every counter
// counts as in TestExactness.
func TestCrashes(t *testing.T) {
	checkPlans(t, func(t *rapid.T) course { return drawCourse(t, true, false) })
}

// TestSickDisk proves that with a disk that fails in any way nothing is lost as
// long as the process lives, and that it continues being durable afterwards.
func TestSickDisk(t *testing.T) {
	checkPlans(t, func(t *rapid.T) course { return drawCourse(t, false, true) })
}
