// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// run runs a test with a first process, which has counted something.
func run(t *testing.T, checkpoint int64, test func(t *testing.T, p *process)) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, disktest.New(1), checkpoint)
		defer p.kill(false)
		p.start()
		p.meet()
		p.tick()
		p.report(1, 2)
		p.tick()
		test(t, p)
	})
}

// metric returns the sum of a metric.
func (p *process) metric(name string) (sum float64) {
	families, err := p.registry.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == name })
	if i < 0 {
		p.t.Fatalf("no metric %s", name)
	}
	for _, m := range families[i].Metric {
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return sum
}

// TestContinues proves that a process continues where the one before was, from a snapshot alone,
// and from one with entries behind it, and that what was counted once is not counted by metrics
// twice.
func TestContinues(t *testing.T) {
	for _, closes := range []bool{true, false} {
		run(t, 1<<40, func(t *testing.T, p *process) {
			p.report(1)
			p.report(3)
			p.tick()
			if closes {
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
			}
			p.kill(true)
			time.Sleep(time.Hour)
			p.start()
			if p.found.ResetReason != "" || !p.found.Found || (p.found.Entries == 0) != closes || p.found.Ticks != 0 {
				t.Errorf("recovered %+v", p.found)
			}
			p.tickNow()
			p.report(1, 2, 3)
			p.tick()
			p.want()
			if n := p.metric("skybridge_state_doubts_total"); n != 0 {
				t.Errorf("%v doubts", n)
			}
		})
	}
}

// TestJournalLetsGo proves that snapshots are made as they are due, and that the disk has no
// more than what a restart needs.
func TestJournalLetsGo(t *testing.T) {
	run(t, 2000, func(t *testing.T, p *process) {
		for i := range 200 {
			p.report(i%20+1, 21, 22, 23, 24)
			p.tick()
		}
		if n := p.metric("skybridge_state_snapshots_total"); n < 5 {
			t.Errorf("%v snapshots", n)
		}
		snapshots, onDisk := 0, 0
		for _, name := range p.disk.Files() {
			onDisk += len(p.disk.Bytes(name))
			if strings.HasSuffix(name, snapshotFormat.Suffix) {
				snapshots++
			}
		}
		if snapshots != 1 || int64(onDisk) != p.StateBytes() || float64(onDisk) != p.metric("skybridge_state_bytes") {
			t.Errorf("%d snapshots and %d bytes on disk, %d are known", snapshots, onDisk, p.StateBytes())
		}
		p.kill(true)
		p.start()
		p.report(1)
		p.tick()
		p.want()
	})
}

// TestCloseLeavesLittle proves that a start after a proper stop has no journal to read.
func TestCloseLeavesLittle(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		for range 50 {
			p.report(1, 2, 3)
			p.tick()
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range p.disk.Files() {
			if n := len(p.disk.Bytes(name)); !strings.HasSuffix(name, snapshotFormat.Suffix) && n > disk.HeaderSize {
				t.Errorf("%s has %d bytes", name, n)
			}
		}
	})
}
