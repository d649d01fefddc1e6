// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestSlowDisk proves that entries are taken while the disk does not answer, up to a bound;
// that the journal then fails, and continues once the disk answers; and that it leaves no file
// open.
func TestSlowDisk(t *testing.T) {
	system := disktest.NewHanging(disktest.New(1))
	j, _ := open(t, system)
	appendTo(t, j, 5)
	release := system.Hang(func(op disktest.Op, _ string) bool { return op == disktest.Write })
	large := Entry{Kind: KindConfigure, Configuration: make([]byte, 1<<20)}
	taken := 0
	var err error
	for err == nil {
		if _, err = j.Append(&large); err == nil {
			taken++
		}
	}
	if !errors.Is(err, errSlow) || taken < 62 || taken > 63 {
		t.Errorf("%d MiB were taken: %v", taken, err)
	}
	if err := j.Sync(j.Next()); !errors.Is(err, errSlow) {
		t.Error(err)
	}
	seq := j.Next()
	restarted := make(chan error)
	go func() { restarted <- j.Restart(seq) }()
	release()
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
	appendTo(t, j, seq+5)
	wantRead(t, j, seq, seq+5)
	if n := system.OpenFiles(); n != 1 {
		t.Errorf("%d files are open", n)
	}
	closeJournal(t, j)
	if n := system.OpenFiles(); n != 0 {
		t.Errorf("%d files are open", n)
	}
}

// TestSyncAcrossRestart proves that a Sync which waits while the journal fails and is restarted
// does not vouch for the entries that were given up.
func TestSyncAcrossRestart(t *testing.T) {
	system := disktest.NewHanging(disktest.New(1))
	j, _ := open(t, system)
	defer closeJournal(t, j)
	appendTo(t, j, 5)
	release := system.Hang(func(op disktest.Op, _ string) bool { return op == disktest.Write })
	e := numbered(6)
	if _, err := j.Append(&e); err != nil {
		t.Fatal(err)
	}
	synced := make(chan error)
	go func() { synced <- j.Sync(6) }()
	for waits := false; !waits; {
		j.writer.mu.Lock()
		if waits = j.writer.wanted == 6; waits {
			j.writer.fail(errBroken)
		}
		j.writer.mu.Unlock()
	}
	release()
	if err := j.Restart(7); err != nil {
		t.Fatal(err)
	}
	if err := <-synced; err == nil {
		t.Error("an entry that was given up is durable")
	}
}

// TestReadOnlyStart proves that a journal on a disk that cannot be written is read, takes
// nothing and vouches for nothing, and continues once it can be.
func TestReadOnlyStart(t *testing.T) {
	d := disktest.New(1)
	j, _ := open(t, d)
	appendTo(t, j, 20)
	closeJournal(t, j)
	d.Fail(func(int, disktest.Op, string) error { return errBroken })
	j, _ = open(t, d)
	wantRead(t, j, 1, 20)
	e := numbered(21)
	if _, err := j.Append(&e); !errors.Is(err, errBroken) || !errors.Is(j.Err(), errBroken) {
		t.Errorf("appended: %v, failing: %v", err, j.Err())
	}
	if err := j.Sync(20); !errors.Is(err, errBroken) {
		t.Errorf("what may not be durable is: %v", err)
	}
	d.Fail(nil)
	if err := j.Restart(j.Next()); err != nil {
		t.Fatal(err)
	}
	appendTo(t, j, 25)
	wantRead(t, j, 1, 25)
	closeJournal(t, j)
	j, _ = open(t, d)
	defer closeJournal(t, j)
	wantRead(t, j, 1, 25)
}

// TestRestartOfEmpty proves that a segment without entries whose place another one takes is
// not released with it.
func TestRestartOfEmpty(t *testing.T) {
	d := disktest.New(1)
	j, _ := open(t, d)
	defer closeJournal(t, j)
	if err := j.Restart(1); err != nil {
		t.Fatal(err)
	}
	appendTo(t, j, 3)
	if err := j.Release(3); err != nil {
		t.Fatal(err)
	}
	wantRead(t, j, 1, 3)
	if size, n := j.Size(); n != 1 || size != int64(len(d.Bytes(segmentsOf(d)[0]))) {
		t.Errorf("%d bytes in %d segments", size, n)
	}
}

// TestLongEntry proves that an entry which no segment can hold is refused, and no other.
func TestLongEntry(t *testing.T) {
	j, _ := open(t, disktest.New(1))
	defer closeJournal(t, j)
	appendTo(t, j, 1)
	if _, err := j.Append(&Entry{Kind: KindConfigure, Configuration: make([]byte, maxEntry)}); err == nil {
		t.Error("it was taken")
	}
	appendTo(t, j, 2)
	wantRead(t, j, 1, 2)
}

// TestDeletedFile proves that a segment which was deleted under the journal is no durable one.
func TestDeletedFile(t *testing.T) {
	d := disktest.New(1)
	j, _ := open(t, d)
	appendTo(t, j, 1)
	if err := d.Remove(segmentsOf(d)[0]); err != nil {
		t.Fatal(err)
	}
	e := numbered(2)
	if _, err := j.Append(&e); err != nil {
		t.Fatal(err)
	}
	if err := j.Sync(2); !errors.Is(err, disk.ErrGone) {
		t.Error(err)
	}
	if err := j.Close(); !errors.Is(err, disk.ErrGone) {
		t.Error(err)
	}
}

// TestClosed proves that a closed journal takes nothing and says so.
func TestClosed(t *testing.T) {
	j, _ := open(t, disktest.New(1))
	appendTo(t, j, 3)
	closeJournal(t, j)
	e := numbered(4)
	if _, err := j.Append(&e); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	if err := j.Sync(3); err != nil {
		t.Errorf("what is durable: %v", err)
	}
	wantRead(t, j, 1, 3)
}

// TestConcurrent proves that all methods can be called at once: what Append has returned is
// read, what Sync has vouched for is there in the next life.
func TestConcurrent(t *testing.T) {
	d := disktest.New(1)
	j, _ := open(t, d)
	const perGoroutine, appending = 500, 2
	var appended sync.Mutex // so that an entry has the number that numbered gives it
	var all, others sync.WaitGroup
	for range appending {
		all.Go(func() {
			for range perGoroutine {
				appended.Lock()
				e := numbered(j.Next())
				seq, err := j.Append(&e)
				appended.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				if seq%20 == 0 {
					if err := j.Sync(seq); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	ended := make(chan struct{})
	repeat := func(f func(seq uint64)) {
		others.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					f(j.Next())
				}
			}
		})
	}
	var reading atomic.Uint64 // what is read must not be released
	repeat(func(seq uint64) {
		from := max(seq, 10) - 9
		reading.Store(from)
		if last, err := read(t, j, from); last < seq-1 || err != nil {
			t.Errorf("read %d to %d, %d were appended: %v", from, last, seq-1, err)
		}
	})
	repeat(func(uint64) {
		if err := j.Release(reading.Load()); err != nil {
			t.Error(err)
		}
		j.Size()
	})
	all.Wait()
	close(ended)
	others.Wait()
	last := uint64(perGoroutine * appending)
	from := reading.Load()
	if err := j.Sync(last); err != nil {
		t.Fatal(err)
	}
	d.LosePower()
	_ = j.Close()
	j, _ = open(t, d)
	defer closeJournal(t, j)
	wantRead(t, j, max(from, 1), last)
}
