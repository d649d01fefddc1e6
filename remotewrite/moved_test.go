// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// TestMovedReceiver proves that a receiver whose name leads to another address is followed
// within 5 minutes, and at a reload, although the old address still answers; and that every
// sample is stored at one of both, once.
func TestMovedReceiver(t *testing.T) {
	for _, c := range []struct {
		name   string
		reload bool
		most   time.Duration
	}{{"by time", false, 5 * time.Minute}, {"by reload", true, 0}} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRig(t, queue.Config{PushInterval: pushInterval})
			before := r.receiver("a", receiver.Config{})
			r.apply(EndpointConfig{URL: "http://a/"})
			f := &traffic{rig: r, series: 3}
			for range 7 {
				f.tick()
			}
			after := r.receiver("a", receiver.Config{}) // from now on "a" leads there
			f.tick()
			if after.Requests() > 0 {
				t.Error("the old connection is not used")
			}
			if c.reload {
				r.apply(EndpointConfig{URL: "http://a/"})
			}
			moved := time.Now()
			for after.Requests() == 0 && time.Since(moved) < time.Hour {
				f.tick()
			}
			if took := time.Since(moved); took > c.most+pushInterval {
				t.Errorf("followed after %v, want %v at most", took, c.most)
			}
			there := before.Stored()
			f.tick()
			if before.Stored() != there {
				t.Error("the old address gets samples after the new one")
			}
			r.flush()
			f.arrived(before, after)
			r.wantMetric(float64(before.Stored()+after.Stored()), prefix+"samples_in_total")
		})
	}
}
