// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestEveryCrashPoint kills a process, or takes its power, at each operation of the disk, and
// another one at each operation of its start, and proves that the third continues without a byte
// lost or counted twice.
func TestEveryCrashPoint(t *testing.T) {
	for _, power := range []bool{false, true} {
		for _, checkpoint := range []int64{1, 1 << 40} {
			points := 0
			for done := false; !done; points++ {
				synctest.Test(t, func(t *testing.T) {
					p := newProcess(t, disktest.New(uint64(points)), checkpoint)
					defer p.kill(false)
					p.start()
					p.meet()
					p.tick()
					die := func(after int) {
						p.disk.Fail(func(n int, _ disktest.Op, _ string) error {
							if n >= after {
								return disktest.ErrDead
							}
							return nil
						})
					}
					die(points / 2)
					for i := 1; i < 7 && !p.disk.Dead(); i++ {
						p.report(i, 1, i/2+1)
						p.tick()
					}
					done = !p.disk.Dead() && points%2 == 1
					p.kill(power)
					if points%2 == 1 { // its start dies as well
						die(points / 2 % 12)
						_ = p.open()
						p.kill(power)
					}
					time.Sleep(5 * time.Second)
					p.start()
					if p.found.ResetReason != "" {
						t.Fatalf("power %v, point %d: reset: %s\n%s", power, points, p.found.ResetReason, &p.logs)
					}
					p.tickNow()
					p.report(1, 2, 3, 4, 5, 6) // what was lost on the way
					p.tick()
					p.tick()
					p.want()
					if err := p.Close(); err != nil {
						t.Error(err)
					}
				})
				if t.Failed() {
					t.Fatalf("power %v, checkpoints from %d bytes on, point %d", power, checkpoint, points)
				}
			}
			if points < 30 {
				t.Errorf("only %d crash points", points)
			}
		}
	}
}
