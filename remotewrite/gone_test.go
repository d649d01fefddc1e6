// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"errors"
	"testing"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// TestGone proves that files which are deleted under the bridge, or replaced by
// older ones, cost no tick: the one that finds out is kept in memory, which is
// said, and the next one goes to new files, with the cursors.
func TestGone(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(d *disktest.Disk, name string)
	}{
		{"deleted", func(d *disktest.Disk, name string) { _ = d.Remove(name) }},
		{"replaced", func(d *disktest.Disk, name string) { d.SetBytes(name, d.Bytes(name)[:30]) }},
	} {
		bubble(t, c.name, func(t *testing.T) {
			d := disktest.New(1)
			r := newRig(t, queue.Config{FS: d, Dir: "log"})
			rec := r.receiver("a", receiver.Config{})
			r.apply(EndpointConfig{URL: "http://a/"})
			f := &traffic{rig: r, series: 1}
			f.tick()
			f.tick()
			files := d.Files()
			for _, name := range files {
				c.do(d, name)
			}
			f.tick()
			if err := r.log.Trouble(); !errors.Is(err, disk.ErrGone) {
				t.Errorf("trouble where files are gone: %v", err)
			}
			f.tick()
			if err := r.log.Trouble(); err != nil {
				t.Errorf("trouble with new files: %v", err)
			}
			r.flush()
			f.arrived(rec)
			_, last := r.log.LastTick()
			r.sender.Close()
			r.halt(d.Kill)
			r.start()
			if _, at := r.log.LastTick(); at != last {
				t.Errorf("the next process finds ticks up to %d, want %d", at, last)
			}
			rec.Restarted()
			r.apply(EndpointConfig{URL: "http://a/"})
			r.flush()
			for _, words := range []string{"it is not known what the endpoints had sent", "it is not known how the series of older ticks were called"} {
				if r.count(words) != 0 {
					t.Errorf("%q is logged", words)
				}
			}
		})
	}
}
