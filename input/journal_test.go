// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
)

const testDir = "input"

// smallSegments are such that few entries fill one.
const smallSegments = 400

func open(t testing.TB, system disk.FS) (*Journal, Recovery) {
	t.Helper()
	j, recovery, err := OpenJournal(JournalConfig{FS: system, Dir: testDir, SegmentBytes: smallSegments})
	if err != nil {
		t.Fatal(err)
	}
	return j, recovery
}

func closeJournal(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// numbered is the entry that tests append at a number.
func numbered(seq uint64) Entry {
	return Entry{Kind: KindConfigure, Time: int64(seq), Configuration: bytes.Repeat([]byte{byte(seq)}, 30+int(seq%30))}
}

// appendTo appends entries up to a number and syncs them.
func appendTo(t testing.TB, j *Journal, last uint64) {
	t.Helper()
	for want := j.Next(); want <= last; want++ {
		e := numbered(want)
		if seq, err := j.Append(&e); err != nil || seq != want {
			t.Fatalf("entry %d has number %d: %v", want, seq, err)
		}
	}
	if err := j.Sync(last); err != nil {
		t.Fatal(err)
	}
}

// read returns the number of the last entry from a number on, all of which must be the ones
// that were appended, and the error.
func read(t testing.TB, j *Journal, from uint64) (last uint64, err error) {
	t.Helper()
	last = from - 1
	err = j.Read(from, func(seq uint64, e *Entry) error {
		if last++; seq != last {
			t.Fatalf("entry %d follows %d", seq, last-1)
		}
		if diff := cmp.Diff(numbered(seq), *e, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("entry %d: -want +got:\n%s", seq, diff)
		}
		return nil
	})
	return last, err
}

func wantRead(t testing.TB, j *Journal, from, last uint64) {
	t.Helper()
	if got, err := read(t, j, from); got != last || err != nil {
		t.Fatalf("the last entry that was read from %d on is %d, want %d: %v", from, got, last, err)
	}
}

// segmentsOf returns the names of a disk's segments.
func segmentsOf(d *disktest.Disk) []string {
	return slices.DeleteFunc(d.Files(), func(name string) bool { return !strings.HasSuffix(name, segmentFormat.Suffix) })
}

// TestJournal proves that entries are read as they were appended, from any number on, by the
// process that appended them and by later ones, and that released segments go.
func TestJournal(t *testing.T) {
	d := disktest.New(1)
	const lives, perLife = 3, 20
	for life := range uint64(lives) {
		j, recovery := open(t, d)
		if recovery != (Recovery{}) || j.Next() != life*perLife+1 {
			t.Fatalf("life %d: %+v, next %d", life, recovery, j.Next())
		}
		appendTo(t, j, (life+1)*perLife)
		for from := uint64(1); from <= j.Next(); from++ {
			wantRead(t, j, from, (life+1)*perLife)
		}
		closeJournal(t, j)
	}
	j, _ := open(t, d)
	defer closeJournal(t, j)
	for _, before := range []uint64{1, 30, 45, 61, 100} {
		had := segmentsOf(d)
		if err := j.Release(before); err != nil {
			t.Fatal(err)
		}
		size, n := j.Size()
		var onDisk int64
		for _, name := range segmentsOf(d) {
			onDisk += int64(len(d.Bytes(name)))
		}
		if have := segmentsOf(d); size != onDisk || n != len(have) || before > 1 && before < 100 && n >= len(had) {
			t.Errorf("before %d: %d bytes in %d segments, on disk are %d in %v, were %v", before, size, n, onDisk, have, had)
		}
		wantRead(t, j, min(before, 61), 60)
		if _, err := read(t, j, 1); (before == 1) != (err == nil) || err != nil && !errors.Is(err, ErrMissing) {
			t.Errorf("released before %d, read from 1: %v", before, err)
		}
	}
	if _, err := read(t, j, 62); !errors.Is(err, ErrMissing) {
		t.Errorf("read from beyond the end: %v", err)
	}
	stop := errors.New("stop")
	appendTo(t, j, 61)
	if err := j.Read(61, func(uint64, *Entry) error { return stop }); err != stop {
		t.Errorf("Read returned %v", err)
	}
}

// TestWrittenSoon proves that an entry is written a moment after it was appended, with no sync.
func TestWrittenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disktest.New(1)
		j, _ := open(t, d)
		defer closeJournal(t, j)
		for seq := range uint64(4) {
			before, _ := j.Size()
			e := numbered(seq + 1)
			if _, err := j.Append(&e); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if after, _ := j.Size(); after != before {
				t.Errorf("entry %d was written at once", seq+1)
			}
			time.Sleep(writeAfter)
			synctest.Wait()
			if after, _ := j.Size(); after == before {
				t.Errorf("entry %d is not written", seq+1)
			}
			if seq%2 == 0 {
				if err := j.Sync(seq + 1); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestTail proves that what is left of a last segment is cut at its last whole entry, and that
// the journal continues there.
func TestTail(t *testing.T) {
	d := disktest.New(1)
	j, _ := open(t, d)
	appendTo(t, j, 4)
	closeJournal(t, j)
	name := segmentsOf(d)[0]
	whole := d.Bytes(name)
	ends := []int{disk.HeaderSize}
	for at := disk.HeaderSize; at < len(whole); {
		at += disk.FrameHeader + int(binary.LittleEndian.Uint32(whole[at+4:]))
		ends = append(ends, at)
	}
	if len(ends) != 5 {
		t.Fatal(ends)
	}
	check := func(what string, content []byte, entries int, cut int, damaged bool) {
		t.Helper()
		d := disktest.New(1)
		d.SetBytes(name, content)
		j, recovery := open(t, d)
		if want := (Recovery{int64(cut), damaged}); recovery != want {
			t.Errorf("%s: %+v, want %+v", what, recovery, want)
		}
		wantRead(t, j, 1, uint64(entries))
		appendTo(t, j, uint64(entries)+3)
		wantRead(t, j, 1, uint64(entries)+3)
		closeJournal(t, j)
		if j, recovery = open(t, d); recovery != (Recovery{}) {
			t.Errorf("%s: again %+v", what, recovery)
		}
		wantRead(t, j, 1, uint64(entries)+3)
		closeJournal(t, j)
	}
	for n := disk.HeaderSize; n <= len(whole); n++ {
		entries := len(slices.DeleteFunc(slices.Clone(ends), func(end int) bool { return end > n })) - 1
		check(fmt.Sprintf("%d of %d bytes", n, len(whole)), whole[:n], entries, n-ends[entries], false)
		check(fmt.Sprintf("%d of %d bytes and zeros", n, len(whole)), append(slices.Clone(whole[:n]), make([]byte, 50)...), entries, n+50-ends[entries], false)
	}
	for at := range whole {
		content := slices.Clone(whole)
		content[at] ^= 1
		entries := max(0, len(slices.DeleteFunc(slices.Clone(ends), func(end int) bool { return end > at }))-1)
		cut := len(whole) - ends[entries]
		if at < disk.HeaderSize {
			cut = len(whole)
		}
		if at >= 16 && at < disk.HeaderSize { // the salt: no frame is one any more
			check(fmt.Sprintf("salt %d", at), content, 0, len(whole)-disk.HeaderSize, false)
			continue
		}
		check(fmt.Sprintf("byte %d", at), content, entries, cut, entries < 3)
	}
}

// TestRoll proves that what comes before is let go of, however small the segment is.
func TestRoll(t *testing.T) {
	d := disktest.New(1)
	j, _ := open(t, d)
	for last := uint64(3); last <= 9; last += 3 {
		appendTo(t, j, last)
		j.Roll()
		j.Roll() // nothing more to do
		appendTo(t, j, last+1)
		if err := j.Release(last + 1); err != nil {
			t.Fatal(err)
		}
		if size, segments := j.Size(); segments != 1 {
			t.Errorf("%d bytes in %d segments are left", size, segments)
		}
	}
	closeJournal(t, j)
	j, _ = open(t, d)
	if j.Next() != 11 {
		t.Errorf("the next entry is %d", j.Next())
	}
	closeJournal(t, j)
}

// TestGaps proves that entries behind a damaged segment, or one that is not there, are not
// read, and that the journal can be continued behind them.
func TestGaps(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(d *disktest.Disk, name string)
		want error
	}{
		{"no segment", func(d *disktest.Disk, name string) { _ = d.Remove(name) }, ErrMissing},
		{"a short segment", func(d *disktest.Disk, name string) { _ = d.Truncate(name, disk.HeaderSize) }, ErrMissing},
		{"a torn segment", func(d *disktest.Disk, name string) { _ = d.Truncate(name, 200) }, disk.ErrDamaged},
		{"a damaged entry", func(d *disktest.Disk, name string) {
			b := d.Bytes(name)
			b[200] ^= 1
			d.SetBytes(name, b)
		}, disk.ErrDamaged},
		{"a damaged header", func(d *disktest.Disk, name string) { d.SetBytes(name, make([]byte, 400)) }, disk.ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := disktest.New(1)
			j, _ := open(t, d)
			appendTo(t, j, 40)
			closeJournal(t, j)
			c.do(d, segmentsOf(d)[1])
			j, recovery := open(t, d)
			if recovery != (Recovery{}) || j.Next() != 41 {
				t.Errorf("%+v, next %d", recovery, j.Next())
			}
			last, err := read(t, j, 1)
			if !errors.Is(err, c.want) || last < 3 || last > 15 {
				t.Errorf("read up to %d: %v", last, err)
			}
			wantRead(t, j, 30, 40)
			if err := j.Restart(40); err == nil {
				t.Error("a number is used twice")
			}
			if err := j.Restart(50); err != nil {
				t.Fatal(err)
			}
			appendTo(t, j, 60)
			closeJournal(t, j)
			j, _ = open(t, d)
			defer closeJournal(t, j)
			wantRead(t, j, 50, 60)
			if last, err := read(t, j, 30); !errors.Is(err, ErrMissing) || last != 40 {
				t.Errorf("read up to %d: %v", last, err)
			}
			if err := j.Release(50); err != nil {
				t.Fatal(err)
			}
			if names := segmentsOf(d); names[0] != newSegment(testDir, 50).name {
				t.Error(names)
			}
		})
	}
}

// TestNewer proves that a journal of a newer version is left as it is.
func TestNewer(t *testing.T) {
	for which := range 2 {
		d := disktest.New(1)
		j, _ := open(t, d)
		appendTo(t, j, 20)
		closeJournal(t, j)
		name := segmentsOf(d)[which]
		newer := append(disk.AppendHeader(nil, segmentFormat.Magic, FormatVersion+1, 1), "content"...)
		d.SetBytes(name, newer)
		before := d.Files()
		d.Fail(func(int, disktest.Op, string) error { return errors.New("something is changed") })
		if _, _, err := OpenJournal(JournalConfig{FS: d, Dir: testDir}); !errors.Is(err, disk.ErrNewer) {
			t.Error(err)
		}
		if after := d.Files(); !slices.Equal(before, after) || !bytes.Equal(d.Bytes(name), newer) {
			t.Errorf("before %v, after %v", before, after)
		}
	}
}
