// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// TestReceiverThatIsDownIsNotOverdue proves that nothing a receiver does makes its
// endpoint overdue: not to be there, to ask for an hour of quiet, to keep every
// request waiting until its timeout.
func TestReceiverThatIsDownIsNotOverdue(t *testing.T) {
	for _, c := range []struct {
		name string
		fail *receiver.Fault // nil: no one is there
	}{
		{"no one there", nil},
		{"an error", &receiver.Fault{Status: http.StatusInternalServerError}},
		{"an hour of quiet", &receiver.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3600"}}}},
		{"no answer", &receiver.Fault{HangForever: true}},
	} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRig(t, queue.Config{})
			if c.fail != nil {
				r.receiver("a", receiver.Config{GiveUps: true, Fail: func(int, *http.Request) receiver.Fault { return *c.fail }})
			}
			r.apply(EndpointConfig{URL: "http://a/", MinShards: 2, MaxShards: 4, MaxBackoff: 20 * time.Second, RetryOn429: true})
			f := &traffic{rig: r, series: 1}
			for i := range 480 {
				f.tick()
				if late := r.sender.Overdue(); late > 0 {
					t.Fatalf("overdue by %s after %s", late, time.Duration(i+1)*pushInterval)
				}
			}
			if r.sender.Status()[0].BacklogTicks < 100 {
				t.Error("the receiver was not down: nothing waits")
			}
		})
	}
}

// TestDiskThatHangsIsOverdue proves that an endpoint whose disk hangs is overdue for as
// long as that lasts, and no longer.
func TestDiskThatHangsIsOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := disktest.NewHanging(disktest.New(1))
		r := newRig(t, queue.Config{FS: fs, Dir: "log"})
		r.receiver("a", receiver.Config{})
		r.apply(EndpointConfig{URL: "http://a/"})
		f := &traffic{rig: r, series: 1}
		f.tick()
		if late := r.sender.Overdue(); late > 0 {
			t.Errorf("overdue by %s on a healthy disk", late)
		}
		release := fs.Hang(func(op disktest.Op, _ string) bool { return op == disktest.Read })
		f.tick()
		time.Sleep(time.Minute)
		if late := r.sender.Overdue(); late != time.Minute {
			t.Errorf("overdue by %s on a disk that has hung for a minute", late)
		}
		release()
		r.flush()
		synctest.Wait()
		if late := r.sender.Overdue(); late > 0 {
			t.Errorf("overdue by %s after that", late)
		}
	})
}

// TestDiskThatDoesNotAnswer has a tick on a disk that does not answer for ten minutes,
// and operations on the disk that have an end. The endpoint waits for that tick, is overdue
// for one operation only, and loses nothing: neither the tick, for which it would give up a
// disk that fails, nor those that come meanwhile, which are in memory.
func TestDiskThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 30 * time.Second
		fs := disktest.NewHanging(disktest.New(1))
		r := newRig(t, queue.Config{FS: disk.WithTimeout(fs, limit), Dir: "log"})
		rec := r.receiver("a", receiver.Config{})
		r.apply(EndpointConfig{URL: "http://a/"})
		f := &traffic{rig: r, series: 1}
		f.tick()
		release := fs.Hang(func(op disktest.Op, _ string) bool { return op == disktest.Read })
		for range 40 {
			f.tick()
			if late := r.sender.Overdue(); late > limit {
				t.Fatalf("overdue by %s", late)
			}
		}
		if err := r.log.Trouble(); !errors.Is(err, disk.ErrHangs) {
			t.Errorf("trouble: %v", err)
		}
		release()
		f.tick()
		r.flush()
		f.arrived(rec)
		if err := r.log.Trouble(); err != nil {
			t.Errorf("trouble after that: %v", err)
		}
		r.wantMetric(0, "skybridge_log_corruptions_total")
	})
}
