// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestStateOlderThanTheLog proves that a state which is older than the log of ticks resets, so
// that nothing counts twice, and that it says so.
func TestStateOlderThanTheLog(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		p.kill(false)
		backup := map[string][]byte{}
		for _, name := range p.disk.Files() {
			backup[name] = p.disk.Bytes(name)
		}
		p.start()
		p.report(1)
		p.tick()
		p.kill(false)
		for _, name := range p.disk.Files() {
			if err := p.disk.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		for name, data := range backup {
			p.disk.SetBytes(name, data)
		}
		before := p.receiver.grown
		p.start()
		if !strings.Contains(p.found.ResetReason, "older than what was sent last") || p.metric("skybridge_state_doubts_total") != 1 {
			t.Errorf("recovered %+v", p.found)
		}
		p.meet()
		p.tick()
		p.report(1)
		p.tick()
		p.tick()
		if grown := p.receiver.grown - before; grown > 100 {
			t.Errorf("%d bytes counted, 100 came", grown)
		}
		p.kill(false)
		if p.start(); p.found.ResetReason != "" {
			t.Errorf("the start after it: %+v", p.found)
		}
	})
}

// TestOlderVersionSince proves that a state is not continued where an older version, which knows
// nothing of it, has counted since.
func TestOlderVersionSince(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p.disk.SetBytes("state/00000001.journal", []byte("of an older version"))
		p.config.Former = "state"
		if p.start(); !strings.Contains(p.found.ResetReason, "older version") {
			t.Errorf("recovered %+v", p.found)
		}
		p.kill(false)
		if p.start(); p.found.ResetReason != "" {
			t.Errorf("recovered %+v after that", p.found)
		}
	})
}

// TestResetTwice proves that a process which was killed right after a reset is continued.
func TestResetTwice(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		p.kill(false)
		if err := p.disk.Remove(p.snapshot().Name); err != nil {
			t.Fatal(err)
		}
		if p.start(); p.found.ResetReason == "" {
			t.Fatalf("recovered %+v", p.found)
		}
		p.kill(true)
		if p.start(); p.found.ResetReason != "" {
			t.Errorf("recovered %+v", p.found)
		}
	})
}

// TestDamage changes each byte of the files in turn, and proves that a start continues with what
// was sent or resets the counters with a reason.
func TestDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, disktest.New(1), 1<<40)
		p.start()
		p.meet()
		p.tick()
		p.report(1)
		p.tick()
		p.report(1)
		synctest.Wait()
		p.kill(false)
		files, receiver := p.disk.Files(), *p.receiver
		resets, continued := 0, 0
		for _, name := range files {
			was := p.disk.Bytes(name)
			for at := 0; at < len(was); at += 7 {
				q := newProcess(t, disktest.New(1), 1<<40)
				for _, other := range files {
					content := slices.Clone(p.disk.Bytes(other))
					if other == name {
						content[at] ^= 0x41
					}
					q.disk.SetBytes(other, content)
				}
				q.receiver.last, q.receiver.mayReset = receiver.last, true
				if err := q.open(); err != nil {
					if !errors.Is(err, disk.ErrNewer) {
						t.Errorf("%s at %d: %v", name, at, err)
					}
					continue
				}
				if q.found.ResetReason != "" {
					resets++
				} else if continued++; q.aggregator.LastTick() < receiver.last {
					t.Errorf("%s at %d: continues from %d", name, at, q.aggregator.LastTick())
				}
				q.kill(false)
			}
		}
		if resets == 0 || continued == 0 {
			t.Errorf("%d resets, %d continue", resets, continued)
		}
	})
}

// otherRules has the snapshot say that other counting rules made it.
func (p *process) otherRules() {
	p.t.Helper()
	r, h, err := openSnapshot(p.disk, dir, p.snapshot().Number)
	if err != nil {
		p.t.Fatal(err)
	}
	h.Rules++
	var blocks [][]byte
	for block, err := r.next(); err == nil; block, err = r.next() {
		blocks = append(blocks, slices.Clone(block))
	}
	if _, err := writeSnapshot(p.disk, dir, h, func() ([]byte, bool) {
		if len(blocks) == 0 {
			return nil, false
		}
		block := blocks[0]
		blocks = blocks[1:]
		return block, true
	}, nil); err != nil {
		p.t.Fatal(err)
	}
}

// TestOtherRules proves that a state with entries to apply, made by other counting rules, resets
// the counters.
func TestOtherRules(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		p.kill(false)
		p.otherRules()
		p.start()
		if !strings.Contains(p.found.ResetReason, "counting rules") {
			t.Errorf("recovered %+v", p.found)
		}
	})
}

// TestUpgradeOfRules proves that one without continues, wherever its first starts were killed.
func TestUpgradeOfRules(t *testing.T) {
	for _, power := range []bool{false, true} {
		for point, done := 0, false; !done; point++ {
			run(t, 1<<40, func(t *testing.T, p *process) {
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
				p.otherRules()
				p.disk.Fail(func(n int, _ disktest.Op, _ string) error {
					if n >= point {
						return disktest.ErrDead
					}
					return nil
				})
				_ = p.open()
				done = !p.disk.Dead()
				p.kill(power)
				p.start()
				if p.found.ResetReason != "" {
					t.Fatalf("power %v, point %d: %+v", power, point, p.found)
				}
				p.report(1, 2)
				p.tick()
				p.want()
			})
		}
	}
}

// TestFilesThatCannotBeRead proves that a start refuses what an operator can correct.
func TestFilesThatCannotBeRead(t *testing.T) {
	run(t, 1<<40, func(t *testing.T, p *process) {
		p.kill(false)
		for _, name := range p.disk.Files() {
			p.config.FS = disktest.Forbidding(p.disk, name)
			if err := p.open(); err == nil || !strings.Contains(err.Error(), "chown") {
				t.Errorf("%s: %v", name, err)
			}
		}
		p.config.FS = p.disk
		for _, name := range p.disk.Files() {
			content := p.disk.Bytes(name)
			copy(content, disk.AppendHeader(nil, string(content[:8]), 99, 1))
			p.disk.SetBytes(name, content)
		}
		if err := p.open(); !errors.Is(err, disk.ErrNewer) {
			t.Errorf("%v", err)
		}
	})
}
