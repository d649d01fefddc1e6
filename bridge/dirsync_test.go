// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestWithoutDirSync runs the bridge on a file system that knows no sync of directories:
// it says so once, everything is written, and a crash of the process loses nothing.
func TestWithoutDirSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lenient, strict := newClockLab(t)
		disk := disktest.New(1)
		without := func(_ int, op disktest.Op, _ string) error {
			if op == disktest.SyncDir {
				return syscall.EINVAL
			}
			return nil
		}
		disk.Fail(without)
		l.options.StoragePath, l.options.StorageFS = "/storage", disk
		for life := range int64(3) {
			l.start()
			l.report("a", 1, 100*(life+1))
			time.Sleep(40 * time.Second)
			if err := l.failure(); err != nil || l.metric("skybridge_exactness_suspended") != 0 {
				t.Fatalf("exactness is suspended: %v", err)
			}
			l.halt()
			disk.Kill()
			disk.Fail(without)
		}
		l.judge(lenient)
		l.judge(strict)
		if text := l.logs.String(); strings.Count(text, "cannot sync directories") != 3 || strings.Contains(text, "level=ERROR") {
			t.Errorf("it was to be said once by each process, and nothing else:\n%s", text)
		}
	})
}

// TestFreshStorageSurvivesALossOfPower cuts the power soon after the first start on a
// directory that did not exist: what was sent is still known.
func TestFreshStorageSurvivesALossOfPower(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			l, lenient, strict := newClockLab(t)
			disk := disktest.New(seed)
			l.options.StoragePath, l.options.StorageFS = "/storage", disk
			l.start()
			l.report("a", 1, 100)
			time.Sleep(50 * time.Second)
			disk.Fail(func(int, disktest.Op, string) error { return disktest.ErrDead })
			l.cutOff()
			l.halt()
			disk.LosePower()

			l.reconnect(lenient, strict)
			l.start()
			if text := l.logs.String(); strings.Contains(text, "counters resets") {
				t.Fatalf("the state is lost:\n%s", text)
			}
			l.report("a", 1, 150)
			time.Sleep(time.Minute)
			l.halt()
			l.judgeSums(lenient)
			l.judgeSums(strict)
		})
	}
}
