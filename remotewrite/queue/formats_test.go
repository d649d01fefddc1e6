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
	// Each version has put more at the end of a state, of which this file has one: 1 knew
	// nothing from sent on.
	for version, without := range map[uint32]int{1: 17, 2: 2, 3: 1} {
		testOlderFormat(t, version, now[:len(now)-without], want)
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
