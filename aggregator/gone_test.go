// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"errors"
	"testing"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestGone proves that a journal which is deleted under the process is noticed at
// the next tick, and that the state is whole again a little later.
func TestGone(t *testing.T) {
	system := disktest.New(1)
	m := newMortal(t, Config{}, system, 1<<20)
	m.known()
	m.Update([]Flow{m.flow("1", 1000, 0)})
	m.tick()
	for _, name := range system.Files() {
		if err := system.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	m.Update([]Flow{m.flow("1", 2000, 0)})
	m.tick()
	if err := m.Failure(); !errors.Is(err, disk.ErrGone) {
		t.Fatalf("trouble %v", err)
	}
	for m.Failure() != nil {
		m.tick()
		m.idle()
	}
	m.Update([]Flow{m.flow("1", 4000, 0)})
	m.tick()
	m.die(false)
	m.begin()
	if m.recover.ResetReason != "" {
		t.Errorf("recovered %+v from %v", m.recover, system.Files())
	}
	m.tick()
	m.wantIncrease(4000)
	m.die(false)
}
