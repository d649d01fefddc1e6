// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// TestListenersAreDurable proves that an address that answered once is a server from then
// on, also where no capture sees a connection being opened, and after a crash.
func TestListenersAreDurable(t *testing.T) {
	for _, snapshot := range []bool{false, true} {
		m := knownProcess(t, Config{Config: label.Config{Labels: []string{"initiator_port", "target_port"}, Ports: label.ServicePorts}})
		m.saves = snapshot
		unseen := func(uuid string, bytes int64) input.Flow {
			f := m.flow(uuid, bytes, bytes)
			f.TransportA, f.TransportB = 41000, 50000
			return f
		}
		opened := unseen("1", 1000)
		opened.Opened = input.OpenedByA
		m.Update([]input.Flow{unseen("2", 200), opened})
		for range 4 {
			m.tick()
		}
		m.count(unseen("2", 500))
		m.crash(true)
		m.begin()
		swapped := unseen("3", 70)
		swapped.NetworkA, swapped.NetworkB = swapped.NetworkB, swapped.NetworkA
		swapped.TransportA, swapped.TransportB = swapped.TransportB, swapped.TransportA
		m.count(unseen("4", 4000), swapped)
		for name, want := range map[string]uint64{
			"bytes{initiator_port=ephemeral,target_port=ephemeral}": 400,
			"bytes{initiator_port=ephemeral,target_port=50000}":     2 * (1000 + 300 + 4000),
			"bytes{initiator_port=50000,target_port=ephemeral}":     140,
		} {
			if got := m.receiver.increase(name); got != want {
				t.Errorf("snapshot %v: %s is %d, want %d\n%s", snapshot, name, got, want, m.receiver)
			}
		}
		m.want("bytes", 400+2*5300+140)
		m.wantMetric("skybridge_listeners", "", 1)
		m.crash(false)
	}
}
