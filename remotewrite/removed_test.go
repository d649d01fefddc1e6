// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// TestRemovedEndpoint proves that an endpoint which is not configured any more
// holds nothing back, also after a restart.
func TestRemovedEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disktest.New(1)
		r := newRig(t, queue.Config{FS: d, Dir: "log", SegmentBytes: 250})
		again := func(name string) {
			r.start()
			r.apply(EndpointConfig{Name: name, URL: "http://absent/"})
		}
		r.apply(EndpointConfig{Name: "a", URL: "http://absent/"})
		for i := range int64(7) {
			r.value(1000*(i+1), 0, false, 1)
		}
		r.halt(nil)
		if n := len(segments(d)); n < 3 {
			t.Errorf("%d segments", n)
		}
		again("b")
		if n := len(segments(d)); n != 0 {
			t.Errorf("%d segments are left", n)
		}
		if n, at := r.log.LastTick(); n != 7 || at != 7000 {
			t.Errorf("last tick %d at %d", n, at)
		}
		r.halt(nil)
		again("a")
		if u := r.log.Usage(); u.Ticks > 0 {
			t.Errorf("%+v", u)
		}
	})
}

// segments are the files of a log.
func segments(d *disktest.Disk) (names []string) {
	for _, name := range d.Files() {
		if strings.HasSuffix(name, ".seg") {
			names = append(names, name)
		}
	}
	return names
}
