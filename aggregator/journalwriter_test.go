// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestFramesAreWrittenSoon proves that a frame is written a moment after it was
// sealed, whatever the writer did before: also where it was called and there was
// nothing to write, as by a sync.
func TestFramesAreWrittenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := disktest.New(1)
		m := newMortal(t, Config{}, disk, 1<<20)
		defer m.die(false)
		size := func() int { return len(disk.Bytes(fileName(stateDir, 1, journalSuffix))) }
		for i := range int64(5) {
			m.Sync()
			if i%2 == 1 {
				m.Sync() // with nothing to write
			}
			synctest.Wait()
			before := size()
			m.Update([]Flow{m.flow("1", 1000*(i+1), 0)})
			time.Sleep(2 * writeAfter)
			synctest.Wait()
			if size() == before {
				t.Errorf("round %d: the update is not written", i)
			}
		}
	})
}
