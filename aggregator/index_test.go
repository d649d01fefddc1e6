// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// TestIndex proves that an index is a map, also where hashes are equal.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newIndex()
		// Few parts and tags that meet: 0 to all bits of the hash are left.
		mask := rapid.SampledFrom([]uint64{0, 3, 0xff, 3<<56 | 0xffff, ^uint64(0)}).Draw(t, "mask")
		hash := func(key uint64) uint64 { return x.hashNumber(key, 7) & mask }
		model := map[uint64]uint32{}
		keys := map[uint32]uint64{}
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			key := rapid.Uint64Range(0, 100).Draw(t, "key")
			got := x.find(hash(key), func(i uint32) bool { return keys[i] == key })
			want, ok := model[key]
			switch {
			case !ok && got != none:
				t.Fatalf("found %d for %d, which is not there", got, key)
			case ok && got != want:
				t.Fatalf("found %d for %d, want %d", got, key, want)
			case ok:
				x.remove(hash(key), want)
				delete(model, key)
				delete(keys, want)
			default:
				i := uint32(key) * 3
				x.add(hash(key), i)
				model[key], keys[i] = i, key
			}
			if x.size() != len(model) {
				t.Fatalf("%d records, want %d", x.size(), len(model))
			}
		}
		for key, want := range model {
			if got := x.find(hash(key), func(i uint32) bool { return keys[i] == key }); got != want {
				t.Fatalf("found %d for %d, want %d", got, key, want)
			}
		}
	})
}

// TestIndexHashes proves that hashes of the same key are the same however it is
// given, and those of other numbers are others.
func TestIndexHashes(t *testing.T) {
	x, y := newIndex(), newIndex()
	if x.hash([]byte("a")) != x.hashText("a") {
		t.Error("bytes and text differ")
	}
	if x.hashText("a") == y.hashText("a") {
		t.Error("two indexes have the same seed")
	}
	if x.hashNumber(1, 2) == x.hashNumber(2, 1) {
		t.Error("which number is which does not matter")
	}
}

// TestBaselineIsSmall holds what docs/reference/sizing.md says of a flow that is
// remembered.
func TestBaselineIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(baseline{}); size != 96 {
		t.Errorf("a baseline has %d bytes", size)
	}
}
