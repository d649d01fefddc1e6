// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/skydive-project/skybridge/disk"
)

const magic = "skytest\x00"

// TestHeader reads what was written, and says of every bit that is another, and of
// every header that was cut, that it is damaged; but the salt may be any.
func TestHeader(t *testing.T) {
	good := disk.AppendHeader(nil, magic, 3, 42)
	if len(good) != disk.HeaderSize {
		t.Fatalf("%d bytes", len(good))
	}
	if salt, err := disk.ReadHeader(bytes.NewReader(good), magic, 3); salt != 42 || err != nil {
		t.Errorf("salt %d, %v", salt, err)
	}
	if _, err := disk.ReadHeader(bytes.NewReader(good), magic, 2); !errors.Is(err, disk.ErrNewer) {
		t.Errorf("a newer version: %v", err)
	}
	if _, err := disk.ReadHeader(bytes.NewReader(good), "another\x00", 3); !errors.Is(err, disk.ErrDamaged) {
		t.Errorf("another magic: %v", err)
	}
	for i := range good {
		if _, err := disk.ReadHeader(bytes.NewReader(good[:i]), magic, 3); !errors.Is(err, disk.ErrDamaged) {
			t.Errorf("cut at %d: %v", i, err)
		}
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := disk.ReadHeader(bytes.NewReader(bad), magic, 3); errors.Is(err, disk.ErrDamaged) != (i < 16) {
			t.Errorf("a bit at %d: %v", i, err)
		}
	}
}

// TestSum proves that a part is only one in its file and at its place.
func TestSum(t *testing.T) {
	part := []byte("part")
	sum := disk.Sum(1, 100, part)
	if sum != disk.Sum(1, 100, []byte("part")) || sum == disk.Sum(2, 100, part) || sum == disk.Sum(1, 101, part) || sum == disk.Sum(1, 100, part[1:]) {
		t.Error("the sum does not tell salt, place and content apart")
	}
}

// TestDecoder reads back everything once, and from a text that is cut anywhere
// nothing but zeros from there on.
func TestDecoder(t *testing.T) {
	text := binary.AppendUvarint(nil, 1<<63)
	text = binary.AppendVarint(text, -5)
	text = binary.AppendUvarint(text, 1<<52-1)
	text = append(text, 7)
	text = binary.LittleEndian.AppendUint32(text, 8)
	text = binary.LittleEndian.AppendUint64(text, 9)
	text = disk.AppendString(text, "ten")
	for end := range len(text) + 1 {
		d := disk.Decoder{Rest: text[:end]}
		got := []bool{
			d.Uvarint() == 1<<63, d.Varint() == -5, d.Count() == 1<<52-1, d.Byte() == 7,
			d.Uint32() == 8, d.Uint64() == 9, d.String() == "ten",
		}
		if d.Bad != (end < len(text)) {
			t.Errorf("cut at %d: bad is %v", end, d.Bad)
		}
		for i, ok := range got {
			if !ok && !d.Bad {
				t.Errorf("value %d is another", i)
			}
		}
		if d.Bad && (d.Uvarint() != 0 || d.Varint() != 0 || d.Count() != 0 || d.Byte() != 0 || d.Uint32() != 0 || d.Uint64() != 0 || d.String() != "" || d.Take(0) != nil) {
			t.Errorf("cut at %d: something is read after the end", end)
		}
	}
	for _, size := range []uint64{1 << 31, 1<<32 + 1} {
		d := disk.Decoder{Rest: binary.AppendUvarint(nil, size)}
		if v := d.Int(); v != 0 || !d.Bad {
			t.Errorf("%d is taken for %d, also where an int has 32 bits", size, v)
		}
	}
	d := disk.Decoder{Rest: binary.AppendUvarint(nil, 1<<52)}
	if d.Count() != 0 || !d.Bad {
		t.Error("a count of 2^52 is taken")
	}
}
