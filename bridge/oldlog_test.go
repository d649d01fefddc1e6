// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestOldLogAlone puts back the directory of the log alone, from a copy of when a
// receiver was away and had yet to get what ended meanwhile. It has got that since, so
// nothing of it may be sent as a sum again: neither where the state is there, and knows
// of later ticks, nor where it is not.
func TestOldLogAlone(t *testing.T) {
	for _, c := range []struct {
		name      string
		copied    time.Duration // after the start
		dropState bool
	}{
		{"the state is newer", 4 * time.Minute, false},
		{"the state is newer, sums were under way", 8 * time.Minute, false},
		{"there is no state", 4 * time.Minute, true},
		{"there is no state, sums were under way", 8 * time.Minute, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, lenient, _ := newClockLab(t)
				l.configure("remote_write: [{url: 'http://lenient/', backlog_window: 5m}]\naggregation: {connection_timeout: 10s}\n")
				disk := disktest.New(1)
				l.options.StoragePath, l.options.StorageFS = "/storage", disk
				l.serve("lenient", nil)
				l.start()
				time.Sleep(45 * time.Second) // counters begin from here on
				old := map[string][]byte{}
				for minute := time.Duration(1); minute <= 12; minute++ {
					l.report(fmt.Sprintf("short%d", minute), 1, 100)
					time.Sleep(minute*time.Minute - time.Since(l.began))
					if minute*time.Minute == c.copied {
						for _, name := range disk.Files() {
							if strings.HasPrefix(name, "/storage/log/") {
								old[name] = disk.Bytes(name)
							}
						}
					}
				}
				l.serve("lenient", lenient.dial)
				time.Sleep(10 * time.Minute)
				l.halt()
				l.judge(lenient)

				for _, name := range disk.Files() {
					if c.dropState || strings.HasPrefix(name, "/storage/log/") {
						if err := disk.Remove(name); err != nil {
							t.Fatal(err)
						}
					}
				}
				for name, data := range old {
					disk.SetBytes(name, data)
				}
				disk.Kill()
				time.Sleep(10 * time.Minute)
				lenient.Restarted()
				l.start()
				time.Sleep(5 * time.Minute)
				l.halt()
				l.judgeSums(lenient)
			})
		})
	}
}
