// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"math/rand/v2"
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

// TestConversationIndex proves that the table of conversations finds what a map would, however
// it grows and shrinks.
func TestConversationIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	bs, want := newBaselines(newOrigins()), map[conversationID]map[uint32]bool{}
	var live []uint32
	for range 60_000 {
		if len(live) > 0 && rng.IntN(3) == 0 {
			k := rng.IntN(len(live))
			i := live[k]
			live[k] = live[len(live)-1]
			live = live[:len(live)-1]
			id := bs.records.at(i).conversation
			delete(want[id], i)
			bs.removeFromConversation(i)
			bs.records.release(i)
			continue
		}
		id := conversationID(rng.Uint64N(30_000)+1)*0x9e3779b97f4a7c15 | 1
		i := bs.records.alloc()
		bs.addToConversation(i, id)
		live = append(live, i)
		if want[id] == nil {
			want[id] = map[uint32]bool{}
		}
		want[id][i] = true
	}
	for id, all := range want {
		n := 0
		for i := bs.firstOf(id); i != none; i = bs.nextOf(i) {
			if !all[i] {
				t.Fatalf("%d is none of conversation %x", i, id)
			}
			n++
		}
		if n != len(all) {
			t.Fatalf("%d of conversation %x, want %d", n, id, len(all))
		}
	}
	if got := bs.byConversation.entries[0] + bs.byConversation.entries[1]; got != len(live) || bs.byConversation.level < 14 {
		t.Errorf("%d entries in 1<<%d buckets, want %d in more", got, bs.byConversation.level, len(live))
	}
}

// TestParseUUID proves that every number has one text only, and all else is text.
func TestParseUUID(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "9": 9, "a": 10, "f": 15, "10": 16, "7a": 0x7a, "84bf327591bf171c": 0x84bf327591bf171c, "ffffffffffffffff": 1<<64 - 1} {
		if n, ok := parseUUID([]byte(text)); !ok || n != want {
			t.Errorf("%s: %x, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "00", "01", "A", "g", "/", ":", "`", "-1", "1 ", "\xff", "84bf327591bf171c0", "8559e2ab-0429-5426"} {
		if n, ok := parseUUID([]byte(text)); ok {
			t.Errorf("%q is %x", text, n)
		}
	}
}

// size is how many records there are.
func (x *index) size() (n int) {
	for i := range x.parts {
		n += x.parts[i].used
	}
	return n
}
