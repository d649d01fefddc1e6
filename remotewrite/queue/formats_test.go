// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/disk"
)

// TestOlderFormats proves that older files are read: segments without ends, and cursors
// that know no condenses, no refused series, or no version of remote-write.
func TestOlderFormats(t *testing.T) {
	all := func(state cursorState) *cursors {
		return &cursors{next: 8, lastAt: 7000, total: totals{samples: 8}, states: map[Hash]cursorState{HashOf([]byte("a")): state}}
	}
	want := cursorState{next: 2, begun: 1000, lost: Never, passed: totals{samples: 2}, sent: 2000, stamp: Never}
	now := appendCursors(nil, all(want))
	for version, old := range [][]byte{1: appendCursorsV1(all(want)), 2: now[:len(now)-2], 3: now[:len(now)-1]} {
		if version > 0 {
			testOlderFormat(t, uint32(version), old, want)
		}
	}
}

func testOlderFormat(t *testing.T, version uint32, old []byte, want cursorState) {
	d := diskOf(t, 7)
	names := segments(d)
	for _, name := range names { // no tick of it ends anything, so its frames are those of version 1
		b := d.Bytes(name)
		binary.LittleEndian.PutUint32(b[8:], 1)
		binary.LittleEndian.PutUint32(b[12:], disk.Checksum(b[:12]))
		d.SetBytes(name, b)
	}
	if err := disk.NewSlots(d, "log/cursors", cursorMagic, version).Write(old); err != nil {
		t.Fatal(err)
	}

	l := openLog(t, Config{FS: d})
	c := l.Cursor("a", nil)
	if got := c.state(); got != want {
		t.Errorf("state %+v, want %+v", got, want)
	}
	closeLog(t, l)
	got, err := reopen(t, d)
	if err != nil || got.corruptions != 0 || got.lost != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if diff := cmp.Diff([]int64{2000, 3000, 4000, 5000, 6000, 7000, 8000}, got.at); diff != "" {
		t.Error(diff)
	}
}

func appendCursorsV1(c *cursors) []byte {
	dst := binary.AppendUvarint(nil, c.next)
	dst = binary.AppendVarint(dst, c.lastAt)
	dst = binary.AppendUvarint(dst, uint64(c.total.samples))
	dst = binary.AppendUvarint(dst, uint64(c.total.stale))
	dst = binary.AppendUvarint(dst, uint64(len(c.states)))
	for id, s := range c.states {
		dst = append(dst, id[:]...)
		dst = binary.AppendUvarint(dst, s.next)
		dst = binary.AppendVarint(dst, s.begun)
		dst = binary.AppendVarint(dst, s.lost)
		dst = binary.AppendUvarint(dst, uint64(s.passed.samples))
		dst = binary.AppendUvarint(dst, uint64(s.passed.stale))
	}
	return dst
}
