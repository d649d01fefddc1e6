// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestManyRestarts proves that processes which end soon do not leave more and more
// files for the next one to read.
func TestManyRestarts(t *testing.T) {
	system := disktest.New(1)
	m := newMortal(t, Config{}, system, 1<<20)
	m.known()
	m.Update([]Flow{m.flow("1", 1000, 0)})
	m.tick()
	for range 4 * maxJournals {
		m.die(false)
		m.pass(time.Second)
		m.begin()
		m.tick()
		m.idle() // one snapshot waits for the next tick
		m.tick()
		m.idle()
		if n := len(system.Files()); n > maxJournals+3 {
			t.Fatalf("life %d: %d files", m.lives, n)
		}
	}
	m.wantIncrease(1000)
	m.die(false)
}
