// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/input"
)

// inVLAN is a UDP flow from port 500 to 500 that a capture reports.
func inVLAN(w *world, capture string, vlan, vni, bytes int64) input.Flow {
	f := seenBy(w.flow("1", bytes, 0), "n1", capture)
	f.UUID = fmt.Appendf(nil, "%x%x%x", capture, vlan, vni)
	f.TransportProtocol, f.TransportA, f.TransportB = []byte("UDP"), 500, 500
	f.VLAN, f.VNI = vlan, vni
	return f
}

// TestVLANs proves that flows of one 5-tuple are one connection only where their VLAN
// and VNI may be the same, whichever capture reports first.
func TestVLANs(t *testing.T) {
	const ten, twenty = 700_000, 420_000
	type seen struct {
		capture          string
		vlan, vni, bytes int64
	}
	for _, c := range []struct {
		name string
		seen []seen
		want uint64
	}{
		{"two captures of two VLANs", []seen{{"c1", 10, 0, ten}, {"c1", 20, 0, twenty}, {"c2", 10, 0, ten}, {"c2", 20, 0, twenty}}, ten + twenty},
		{"the same, VNIs", []seen{{"c1", 0, 10, ten}, {"c2", 0, 10, ten}, {"c1", 0, 20, twenty}, {"c2", 0, 20, twenty}}, ten + twenty},
		{"each capture one VLAN", []seen{{"c1", 10, 0, ten}, {"c2", 20, 0, twenty}}, ten + twenty},
		{"trunk, then access port", []seen{{"c1", 10, 0, ten}, {"c2", 0, 0, ten}}, ten},
		{"access port, then trunk", []seen{{"c2", 0, 0, ten}, {"c1", 10, 0, ten}}, ten},
		{"VLAN and VNI", []seen{{"c1", 10, 0, ten}, {"c2", 0, 5, ten}}, ten},
		{"one capture saw both, one without", []seen{{"c1", 0, 0, ten}, {"c1", 20, 0, twenty}}, ten + twenty},
		{"and a second capture", []seen{{"c1", 20, 0, twenty}, {"c1", 0, 0, ten}, {"c2", 0, 0, ten}, {"c2", 20, 0, twenty}}, ten + twenty},
		// A capture without ids reports one flow for both VLANs. The one with ids says
		// what both carried: nothing is doubled, nothing lost.
		{"absent first beside two", []seen{{"c2", 0, 0, ten + twenty}, {"c1", 10, 0, ten}, {"c1", 20, 0, twenty}}, ten + twenty},
		{"absent between two", []seen{{"c1", 10, 0, ten}, {"c2", 0, 0, ten + twenty}, {"c1", 20, 0, twenty}}, ten + twenty},
		{"absent after two", []seen{{"c1", 10, 0, ten}, {"c1", 20, 0, twenty}, {"c2", 0, 0, ten + twenty}}, ten + twenty},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			w.arrive([2]string{"n1", "c1"}, [2]string{"n1", "c2"})
			for _, s := range c.seen {
				w.Update([]input.Flow{inVLAN(w, s.capture, s.vlan, s.vni, s.bytes)})
			}
			w.wantBytes("all", c.want)
		})
	}
}

// TestUntaggedBeforeTwoVLANs proves that the history of a connection in one VLAN, which an
// untagged capture was taken to see as well, does not count as that of another VLAN.
func TestUntaggedBeforeTwoVLANs(t *testing.T) {
	w := newWorld(t, Config{})
	w.arrive([2]string{"n1", "c1"}, [2]string{"n1", "c2"})
	old := func(capture string, vlan, bytes, update int64, age time.Duration) input.Flow {
		f := inVLAN(w, capture, vlan, 0, bytes)
		f.Start -= age.Milliseconds()
		f.LastUpdate.ABBytes, f.LastUpdate.ABPackets = update, 1
		f.LastUpdate.Start = f.LastUpdate.Last - 10_000
		return f
	}
	w.Update([]input.Flow{
		old("c2", 0, 700, 500, 80*time.Second),
		old("c1", 20, 1500, 600, 70*time.Second),
		old("c1", 11, 700, 500, 80*time.Second),
	})
	w.wantBytes("500 in VLAN 11, 600 in VLAN 20", 1100)
}

// TestVLANsRestart proves that what captures are known to see is known after a crash:
// a capture without ids beside two VLANs doubles nothing.
func TestVLANsRestart(t *testing.T) {
	m := newCrashingProcess(t, crossingConfig(false))
	m.arrive([2]string{"n1", "c1"}, [2]string{"n1", "c2"})
	twenty := inVLAN(m.world, "c1", 20, 0, 420) // reported only later
	m.count(inVLAN(m.world, "c1", 10, 0, 700), inVLAN(m.world, "c2", 0, 0, 1120))
	m.crashAndStart(true)
	m.count(twenty)
	m.want("bytes", 1120)
	m.crash(false)
}
