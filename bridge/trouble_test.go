// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestKilledWhileTheLogIsInTrouble kills the process after ticks that the log could
// not write went out from memory. The next process does not take them back: what
// began in them would count twice.
func TestKilledWhileTheLogIsInTrouble(t *testing.T) {
	for seed := range uint64(12) {
		ticks := time.Duration(1 + seed%3)
		synctest.Test(t, func(t *testing.T) {
			l, lenient, strict := newClockLab(t)
			disk := disktest.New(seed)
			l.options.StoragePath, l.options.StorageFS = "/storage", disk
			l.start()
			l.report("a", 1, 100)
			time.Sleep(20 * time.Second)

			disk.Fail(func(_ int, _ disktest.Op, name string) error {
				if strings.Contains(name, "/log/") {
					return errors.New("no space left on device")
				}
				return nil
			})
			l.report("b", 1, 500)
			time.Sleep(ticks * 15 * time.Second)
			if got := l.log.Trouble(); got == nil || l.replica.Failure() != nil {
				t.Fatalf("the log: %v, the state: %v; want trouble with the log alone", got, l.replica.Failure())
			}
			disk.Fail(func(int, disktest.Op, string) error { return disktest.ErrDead })
			l.cutOff()
			l.halt()
			disk.Kill()

			l.reconnect(lenient, strict)
			l.start()
			l.report("b", 1, 700)
			l.report("a", 1, 150)
			time.Sleep(time.Minute)
			l.halt()
			// Older ticks may come again, for the log could not write how far the
			// receivers had got: they know those.
			l.judgeSums(lenient)
			l.judgeSums(strict)
		})
	}
}
