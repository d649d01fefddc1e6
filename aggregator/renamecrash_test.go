// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// applyLabels puts the configuration into force, as a reload and a start do, unless the
// process crashes meanwhile.
func (m *crashingProcess) applyLabels() {
	if m.Renames(m.cfg) {
		for m.EndAll(false) > 0 {
			if !m.tickNow() {
				return
			}
			m.pass(testInterval - time.Duration(m.time.UnixMilli()%testInterval.Milliseconds())*time.Millisecond)
		}
	}
	if err := m.Configure(m.cfg); err != nil {
		m.t.Fatal(err)
	}
}

// TestEveryCrashPointOfARename lets a process die at every single operation of the
// disk while labels change to and fro, with a snapshot under way or not: no byte
// is lost or doubled, over the series of both names.
func TestEveryCrashPointOfARename(t *testing.T) {
	for _, power := range []bool{false, true} {
		points := 0
		for done := false; !done; points++ {
			m := knownProcess(t, Config{})
			m.tick()
			point := points / 2
			m.dieAt(point)
			total := int64(0)
			var flows []input.Flow
			report := func() {
				total = 0
				flows = flows[:0]
				for i := range int64(3) {
					f := m.flow(fmt.Sprint(i+1), 1000*(i+1)+m.time.Unix()%1000, 0)
					f.TransportA = i
					flows = append(flows, f)
					total += f.Metric.ABBytes
				}
				m.Update(flows)
			}
			for i := 0; i < 8 && !m.dead(); i++ {
				report()
				m.pass(testInterval)
				if !m.tickNow() {
					break
				}
				switch i {
				case 2:
					m.cfg.Labels = []string{"direction", "target_ip"}
				case 5:
					m.cfg.Labels = label.Default()
				}
				m.applyLabels()
			}
			done = !m.dead() && points%2 == 1
			m.crash(power)
			m.pass(5 * time.Second)
			m.begin()
			m.applyLabels()
			m.tickNow()
			m.pass(time.Second)
			m.Update(flows)
			m.tick()
			m.want("bytes", uint64(total))
			if t.Failed() {
				t.Fatalf("power %v, point %d of %d", power, point, points)
			}
			m.crash(power)
		}
		if points < 40 {
			t.Errorf("only %d crash points", points)
		}
	}
}
