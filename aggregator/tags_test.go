// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/disktest"
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
	m := newCrashingProcess(t, crossingConfig(false), disktest.New(1), 1<<20)
	m.arrive([2]string{"n1", "c1"}, [2]string{"n1", "c2"})
	twenty := inVLAN(m.world, "c1", 20, 0, 420) // reported only later
	m.count(inVLAN(m.world, "c1", 10, 0, 700), inVLAN(m.world, "c2", 0, 0, 1120))
	m.crashAndStart(true)
	m.count(twenty)
	m.want("bytes", 1120)
	m.crash(false)
}

// TestVLANsAfterUpgrade proves that flows of a state that knows of no VLANs, which has one
// connection of two captures, count on as they did, now that they have one, and that the
// same ports in another VLAN are another connection.
func TestVLANsAfterUpgrade(t *testing.T) {
	state, err := os.ReadFile("testdata/before-vlans.journal") // of format version 1
	if err != nil {
		t.Fatal(err)
	}
	d := disktest.New(1)
	d.SetBytes(stateDir+"/00000001"+journalSuffix, state)
	m := &crashingProcess{world: newWorld(t, Config{Config: label.Config{Labels: []string{"protocol"}}}), disk: d, least: 1}
	m.cfg, m.time, m.last = m.world.cfg, time.UnixMilli(1_800_000_090_000), 1_800_000_090_000
	m.receiver.series["bytes{protocol=UDP}"] = []sample{{at: m.last, value: 1000}}
	m.receiver.series["packets{protocol=UDP}"] = []sample{{at: m.last, value: 10}}
	if m.start(); m.recover.ResetReason != "" || m.recover.Flows != 2 {
		t.Fatalf("recovered %+v", m.recover)
	}
	defer m.crash(false)
	captures := []string{"c1", "c2"}
	for i, capture := range captures {
		f := inVLAN(m.world, capture, 10, 0, 1100)
		f.UUID, f.Start = fmt.Appendf(nil, "a%d", i), 1_800_000_050_000
		m.Update([]input.Flow{f})
	}
	m.tick()
	m.want("bytes", 100)
	m.pass(time.Minute)
	for _, capture := range captures {
		m.Update([]input.Flow{inVLAN(m.world, capture, 20, 0, 420)})
	}
	m.tick()
	m.want("bytes", 100+420)
}
