// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/disktest"
)

// fatal is what *testing.T and *rapid.T have.
type fatal interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// process is a journal on a disk that may fail, and what must be true of it.
type process struct {
	fatal
	disk     *disktest.Disk
	journal  *Journal
	first    uint64 // entries before it may be missing
	last     uint64 // the last one that was appended
	durable  uint64 // the last one that Sync has vouched for
	released uint64 // entries before it may be gone
}

// start opens the journal and holds what is in it against what must be. It returns false where
// the disk fails meanwhile.
func (p *process) start() bool {
	p.Helper()
	j, _, err := OpenJournal(JournalConfig{FS: p.disk, Dir: testDir, SegmentBytes: smallSegments})
	if errors.Is(err, disktest.ErrDead) {
		return false
	}
	if err != nil {
		p.Fatal(err)
	}
	p.journal = j
	if next := j.Next(); next <= p.durable || next > max(p.last, p.durable)+1 {
		p.Fatalf("the next entry is %d, %d were durable, %d appended", next, p.durable, p.last)
	}
	p.last = j.Next() - 1
	if p.journal.Err() == nil {
		p.durable = p.last // Sync says so
	}
	if !p.disk.Dead() {
		p.read(max(p.first, p.released))
	}
	return p.journal.Err() == nil
}

// read reads all that must be there.
func (p *process) read(from uint64) {
	p.Helper()
	if err := p.tryRead(from); err != nil {
		p.Fatal(err)
	}
}

func (p *process) tryRead(from uint64) error {
	want := from
	err := p.journal.Read(from, func(seq uint64, e *Entry) error {
		if n := numbered(seq); seq != want || e.Time != n.Time || string(e.Configuration) != string(n.Configuration) {
			return fmt.Errorf("entry %d is %d: %+v", want, seq, e)
		}
		want++
		return nil
	})
	if err == nil && want != p.last+1 {
		err = fmt.Errorf("entries %d to %d were read, not up to %d", from, want-1, p.last)
	}
	return err
}

func (p *process) append() error {
	e := numbered(p.journal.Next())
	seq, err := p.journal.Append(&e)
	if err == nil {
		p.last = seq
	}
	return err
}

func (p *process) sync(seq uint64) error {
	err := p.journal.Sync(seq)
	if err == nil {
		p.durable = max(p.durable, min(seq, p.last))
	}
	return err
}

func (p *process) release(before uint64) error {
	p.released = max(p.released, before)
	return p.journal.Release(before)
}

// crash ends the process.
func (p *process) crash(power bool) {
	if power {
		p.disk.LosePower()
	} else {
		p.disk.Kill()
	}
	if p.journal != nil {
		_ = p.journal.Close() // of a dead process: nothing is written any more
		p.journal = nil
	}
}

var errBroken = errors.New("broken")

// live is a life of a process, up to the first error.
func (p *process) live() error {
	if !p.start() {
		return errBroken
	}
	for range 12 {
		for range 3 {
			if err := p.append(); err != nil {
				return err
			}
		}
		if err := p.sync(p.last - 1); err != nil {
			return err
		}
		if p.last > 20 {
			if err := p.release(p.last - 15); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestCrashes proves that, at whatever operation of the disk a process ends, by a signal or by
// a loss of power, the entries up to the last Sync are there, in order, each once.
func TestCrashes(t *testing.T) {
	for _, power := range []bool{false, true} {
		for n, died := 0, true; died; n++ {
			died = false
			p := &process{fatal: t, disk: disktest.New(uint64(n)), first: 1, released: 1}
			for life := range 3 {
				p.disk.Fail(func(i int, _ disktest.Op, _ string) error {
					if i == n {
						return disktest.ErrDead
					}
					return nil
				})
				err := p.live()
				if err != nil && !p.disk.Dead() {
					t.Fatalf("life %d, dies at %d: %v", life, n, err)
				}
				died = died || p.disk.Dead()
				p.crash(power)
			}
			if !p.start() {
				t.Fatal("not opened")
			}
			if names := segmentsOf(p.disk); len(names) != len(p.disk.Files()) {
				t.Errorf("files are left beside the segments: %v", p.disk.Files())
			}
			p.crash(power)
			if !died && (n < 60 || p.durable < 100) {
				t.Errorf("%d operations, %d entries are durable", n, p.durable)
			}
		}
	}
}

// TestFailures proves that an error of the disk at any operation is reported, that what was
// durable stays, and that the journal continues with a new segment once the disk is healthy.
func TestFailures(t *testing.T) {
	failed := 0
	for n := 0; ; n++ {
		p := &process{fatal: t, disk: disktest.New(uint64(n)), first: 1, released: 1}
		p.disk.Fail(func(i int, _ disktest.Op, _ string) error {
			if i >= n {
				return errBroken
			}
			return nil
		})
		err := p.live()
		if err == nil {
			p.crash(false)
			break
		}
		if !errors.Is(err, errBroken) {
			t.Fatalf("fails at %d: %v", n, err)
		}
		if p.journal == nil {
			continue
		}
		seq := p.journal.Next() + 10
		if p.journal.Err() != nil {
			failed++
			if err := p.append(); !errors.Is(err, errBroken) {
				t.Fatalf("an entry is taken: %v", err)
			}
		}
		if err := p.journal.Restart(seq); !errors.Is(err, errBroken) {
			t.Fatalf("restarted on a disk that fails: %v", err)
		}
		p.disk.Fail(nil)
		if err := p.journal.Restart(seq); err != nil {
			t.Fatal(err)
		}
		p.first, p.last, p.durable = seq, seq-1, seq-1
		for range 20 {
			if err := p.append(); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.sync(p.last); err != nil {
			t.Fatal(err)
		}
		p.read(seq)
		p.crash(true)
		if !p.start() {
			t.Fatal("not opened")
		}
		if err := p.release(seq); err != nil {
			t.Fatal(err)
		}
		if name := segmentsOf(p.disk)[0]; name != newSegment(testDir, seq).name {
			t.Errorf("%s is kept", name)
		}
		p.crash(false)
	}
	if failed < 50 {
		t.Errorf("the journal failed only %d times", failed)
	}
}

// TestModel holds a journal that is used in any way against what must be true of it.
func TestModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := &process{fatal: r, disk: disktest.New(rapid.Uint64().Draw(r, "disk")), first: 1, released: 1}
		defer func() { p.crash(false) }()
		check := func(err error) {
			if err != nil && !errors.Is(err, errBroken) && !errors.Is(err, disktest.ErrDead) {
				r.Fatal(err)
			}
		}
		seq := func() uint64 { return rapid.Uint64Range(0, p.last+1).Draw(r, "seq") }
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			if p.journal == nil {
				p.start()
			}
			if p.journal == nil {
				p.crash(rapid.Bool().Draw(r, "power"))
				continue
			}
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			case 0, 1, 2:
				for range rapid.IntRange(1, 10).Draw(r, "entries") {
					check(p.append())
				}
			case 3, 4:
				check(p.sync(seq()))
			case 5:
				from := max(p.first, p.released, min(seq(), p.last+1))
				if p.disk.Dead() {
					break
				}
				p.disk.Fail(nil)
				if err := p.tryRead(from); err != nil && err != p.journal.Err() {
					r.Fatal(err)
				}
			case 6:
				// No process releases what has not been durable.
				check(p.release(min(seq(), p.durable)))
			case 7:
				p.crash(rapid.Bool().Draw(r, "power"))
			case 8:
				at, err := rapid.IntRange(0, 12).Draw(r, "at"), rapid.SampledFrom([]error{errBroken, disktest.ErrDead}).Draw(r, "error")
				if !p.disk.Dead() {
					p.disk.Fail(func(i int, _ disktest.Op, _ string) error {
						if i == at || i > at && err == errBroken {
							return err
						}
						return nil
					})
				}
			case 9:
				if p.disk.Dead() {
					break
				}
				p.disk.Fail(nil)
				at := p.journal.Next() + rapid.Uint64Range(0, 5).Draw(r, "ahead")
				if err := p.journal.Restart(at); err != nil {
					r.Fatal(err)
				}
				p.first, p.last, p.durable = at, at-1, at-1
			}
		}
	})
}
