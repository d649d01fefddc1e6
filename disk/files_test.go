// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestContentSurvives proves for a small file and for slots that whichever operation
// fails or is the last before a loss of power, what is found is what was written last
// or is being written, however large.
func TestContentSurvives(t *testing.T) {
	for _, kind := range []string{"small", "slots"} {
		t.Run(kind, rapid.MakeCheck(func(t *rapid.T) {
			const name = "dir/file"
			d := disktest.New(rapid.Uint64().Draw(t, "seed"))
			if err := disk.MakeDir(d, "dir"); err != nil {
				t.Fatal(err)
			}
			slots := disk.NewSlots(d, name, magic, 3)
			write := slots.Write
			read := func() ([]byte, error) {
				payloads, version, damaged, err := disk.NewSlots(d, name, magic, 3).Read()
				if err != nil || len(payloads) == 0 {
					return nil, errors.Join(err, fmt.Errorf("%d payloads, %d damaged", len(payloads), damaged))
				}
				if version != 3 || damaged > 1 {
					t.Fatalf("version %d, %d damaged", version, damaged)
				}
				return payloads[0], nil
			}
			if kind == "small" {
				write = func(b []byte) error { return disk.WriteSmall(d, name, magic, 3, b) }
				read = func() ([]byte, error) { return disk.ReadSmall(d, name, magic, 3, 1<<20) }
			}
			may := [][]byte{nil} // be found
			for i := range rapid.IntRange(1, 8).Draw(t, "writes") {
				payload := bytes.Repeat([]byte{byte(i)}, rapid.SampledFrom([]int{0, 10, 5000}).Draw(t, "size"))
				fails, ends := d.Ops()+rapid.IntRange(0, 12).Draw(t, "fails"), rapid.Bool().Draw(t, "ends")
				d.Fail(func(n int, _ disktest.Op, _ string) error {
					if n == fails || (ends && n > fails) {
						return syscall.EIO
					}
					return nil
				})
				err := write(payload)
				if may = append(may, payload); err == nil {
					may = may[len(may)-1:]
				}
				d.Fail(nil)
				if err != nil && ends {
					slots.Close()
					break
				}
			}
			d.LosePower()
			got, err := read()
			if err != nil && slices.Contains(d.Files(), name) {
				t.Fatalf("%v, files %q", err, d.Files())
			}
			if !slices.ContainsFunc(may, func(b []byte) bool { return bytes.Equal(b, got) }) {
				t.Fatalf("%v of %d bytes, want one of the last %d", got[:min(1, len(got))], len(got), len(may))
			}
		}))
	}
}

// TestNumbered proves that files are found in the order of their numbers, and none that is named
// otherwise; what is incomplete goes.
func TestNumbered(t *testing.T) {
	d := disktest.New(1)
	if files, err := disk.ListNumbered(d, "none", ".x"); err != nil || len(files) > 0 {
		t.Errorf("a directory that does not exist: %v, %v", files, err)
	}
	var want []disk.Numbered
	for _, n := range []uint64{1, 9, 10, 1<<64 - 1} {
		name := disk.NumberedName("dir", n, ".x")
		d.SetBytes(name, make([]byte, 3))
		want = append(want, disk.Numbered{Number: n, Name: name, Size: 3})
	}
	incomplete := disk.NumberedName("dir", 11, ".x") + disk.NewSuffix
	for _, name := range []string{"dir/7.x", "dir/text.x", "dir/.x", disk.NumberedName("dir", 12, ".y"), disk.NumberedName("dir", 0, ".x"), incomplete} {
		d.SetBytes(name, nil)
	}
	if files, err := disk.ListNumbered(d, "dir", ".x"); err != nil || !slices.Equal(files, want) {
		t.Errorf("%v, %v", files, err)
	}
	if slices.Contains(d.Files(), incomplete) {
		t.Error("what is incomplete is still there")
	}
}

// TestReplaceLeavesNothing proves that what could not be written does not stay: it may be what
// fills the disk.
func TestReplaceLeavesNothing(t *testing.T) {
	for _, failing := range []disktest.Op{disktest.Write, disktest.Sync} {
		d := disktest.New(1)
		d.Fail(func(_ int, op disktest.Op, _ string) error {
			if op == failing {
				return syscall.ENOSPC
			}
			return nil
		})
		if err := disk.Replace(d, "file", []byte("content")); !errors.Is(err, syscall.ENOSPC) || len(d.Files()) > 0 {
			t.Errorf("%s: %v, files %q", failing, err, d.Files())
		}
	}
}

var format = disk.Format{Magic: magic, Version: 3, FrameMagic: 0x4d415246, MaxHead: 1 << 20, Suffix: ".test"}

// head is a frame's: its number, and how long its body is.
func head(n, body uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, n), body)
}

// scan returns the numbers of a segment's frames, and what is wrong with it.
func scan(t *testing.T, d *disktest.Disk, name string) (numbers []uint32, damaged int, end int64, torn error) {
	t.Helper()
	s := disk.NewSegment(d, name)
	defer s.Close()
	if err := s.ReadHeader(&format); err != nil {
		t.Fatal(err)
	}
	size := int64(len(d.Bytes(name)))
	r := disk.FrameReader{From: s, Format: &format, Salt: s.Salt, Size: size}
	end, torn, err := r.Scan(func(offset int64, head []byte, body int64) (int64, error) {
		end := body + int64(binary.LittleEndian.Uint32(head[4:]))
		if end > size {
			return 0, disk.ErrDamaged
		}
		numbers = append(numbers, binary.LittleEndian.Uint32(head))
		return end, nil
	}, func(int64, error) { damaged++ })
	if err != nil {
		t.Fatal(err)
	}
	return numbers, damaged, end, torn
}

// TestSegments proves that frames are read back from each segment, that a damaged one
// costs no other, that what is cut off at the end is distinguished from it, and that a write
// that fails leaves nothing.
func TestSegments(t *testing.T) {
	d := disktest.New(1)
	w := disk.SegmentWriter{FS: d, Dir: "dir", Format: &format}
	body := bytes.Repeat([]byte("FRAM"), 1<<19) // is no frame, wherever it is
	add := func(n uint32) (*disk.Segment, int64, int64, error) {
		return w.Append(head(n, uint32(len(body))), slices.Values([][]byte{body[:100], body[100:]}))
	}
	var first *disk.Segment
	var begins []int64
	for n := range uint32(4) {
		s, offset, end, err := add(n)
		if err != nil || end != w.Size() || !s.Growing() {
			t.Fatalf("%d of %d, %v", end, w.Size(), err)
		}
		first, begins = s, append(begins, offset)
	}
	d.Fail(func(_ int, op disktest.Op, _ string) error {
		if op == disktest.Sync {
			return syscall.EIO
		}
		return nil
	})
	if _, _, _, err := add(9); !errors.Is(err, syscall.EIO) || first.Growing() || w.Size() != 0 {
		t.Errorf("%v, growing: %v", err, first.Growing())
	}
	d.Fail(nil)
	second, _, _, err := add(4)
	if err != nil || second.Name == first.Name {
		t.Fatalf("%s: %v", second.Name, err)
	}
	w.Roll()
	d.LosePower()

	check := func(what, name string, want []uint32, wantDamaged int, cut bool) {
		t.Helper()
		numbers, damaged, end, torn := scan(t, d, name)
		if !slices.Equal(numbers, want) || damaged != wantDamaged || (torn != nil) != cut || (end == int64(len(d.Bytes(name)))) == cut {
			t.Errorf("%s: frames %v, %d damaged, torn at %d of %d: %v", what, numbers, damaged, end, len(d.Bytes(name)), torn)
		}
	}
	check("first", first.Name, []uint32{0, 1, 2, 3}, 0, false)
	check("second", second.Name, []uint32{4}, 0, false)
	whole := d.Bytes(first.Name)
	d.SetBytes(first.Name, whole[:len(whole)-1])
	check("cut", first.Name, []uint32{0, 1, 2}, 0, true)
	whole[begins[1]+disk.FrameHeader] ^= 1
	d.SetBytes(first.Name, whole)
	check("damaged", first.Name, []uint32{0, 2, 3}, 1, false)

	entries, err := d.ReadDir("dir")
	if err != nil {
		t.Fatal(err)
	}
	if segments, last := format.ListSegments(append(entries, disk.Entry{Name: "x.test"}, disk.Entry{Name: "7.other"})); len(segments) != 2 || last != 2 {
		t.Errorf("segments %v, last %d", segments, last)
	}
}

// TestTrouble proves that trouble begins with the first part that fails, and ends with
// the last that recovers.
func TestTrouble(t *testing.T) {
	var trouble disk.Trouble
	for i, step := range []struct {
		part    string
		err     error
		changed bool
		now     error
	}{
		{"a", nil, false, nil},
		{"a", syscall.EIO, true, syscall.EIO},
		{"b", syscall.ENOSPC, false, syscall.ENOSPC},
		{"a", nil, false, syscall.ENOSPC},
		{"b", nil, true, nil},
	} {
		changed, now := trouble.Note(step.part, step.err)
		if changed != step.changed || !errors.Is(now, step.now) || !errors.Is(trouble.Err(), step.now) || !errors.Is(trouble.Of(step.part), step.err) {
			t.Errorf("step %d: %v, %v", i, changed, now)
		}
	}
}
