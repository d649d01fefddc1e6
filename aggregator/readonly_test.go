// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestStartsOnSickDisk proves that a process which cannot write goes on from what
// it found only if no later one can find it too: each would go on from the same
// values and receivers would count what is between them once for each start.
func TestStartsOnSickDisk(t *testing.T) {
	for _, c := range []struct {
		name   string
		allows []disktest.Op
		goesOn bool
		atMost uint64 // bytes in the end
	}{
		{"read-only", nil, false, 5000},
		{"full", []disktest.Op{disktest.Remove, disktest.SyncDir}, true, 5000},
	} {
		t.Run(c.name, func(t *testing.T) {
			sick := disktest.New(1)
			m := newMortal(t, Config{}, sick, 1<<20)
			m.known()
			m.Update([]Flow{m.flow("1", 1000, 0)})
			m.tick()
			m.wantIncrease(1000)
			durable := m.last
			for life := range int64(3) {
				m.die(false)
				m.last = durable // the log's disk is the same one
				sick.Fail(func(_ int, op disktest.Op, _ string) error {
					if slices.Contains(c.allows, op) {
						return nil
					}
					return errors.New("no")
				})
				m.pass(testInterval)
				m.begin()
				if first := life == 0; (m.recover.ResetReason == "") != (first && c.goesOn) {
					t.Errorf("life %d: %+v", life, m.recover)
				}
				if m.Failure() == nil {
					t.Errorf("life %d: no trouble", life)
				}
				m.tick()
				f := m.flow("1", 3000+1000*life, 0)
				f.LastUpdate.ABBytes = 1000 // what came before is history to whom it is new
				m.Update([]Flow{f})
				m.tick()
				m.tick()
			}
			if got := m.total("bytes"); got > c.atMost || got <= 1000 {
				t.Errorf("%d bytes arrived of %d", got, c.atMost)
			}
			m.die(false)
		})
	}
}

// TestSickDiskWithOtherLabels proves that a process which lets go of what it found,
// after it had read it, is not left with the labels of the former one, nor with its
// busiest connections.
func TestSickDiskWithOtherLabels(t *testing.T) {
	sick := disktest.New(1)
	m := newMortal(t, Config{TopK: 3, TopKWindow: time.Minute}, sick, 1<<20)
	m.known()
	m.Update([]Flow{m.flow("1", 1000, 0)})
	m.tick()
	m.die(false)
	sick.Fail(func(int, disktest.Op, string) error { return errors.New("no") })
	m.cfg.Labels = []string{"target_ip"}
	m.begin()
	if m.recover.ResetReason == "" {
		t.Fatal("it goes on from what no process can remove")
	}
	for i := range int64(5) {
		f := m.flow("1", 3000+i, 0)
		m.Update([]Flow{f})
		m.tick()
	}
	if m.top.of != m.connections {
		t.Error("the busiest are those of connections that are gone")
	}
	if _, ok := m.ledger.series["bytes{target_ip=10.0.0.2}"]; !ok {
		t.Errorf("no series of the target:\n%v", m.ledger)
	}
	m.die(false)
}
