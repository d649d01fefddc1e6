// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"math/rand/v2"
	"testing"
)

// TestKin proves that the table of conversations finds what a map would, however
// it grows and shrinks.
func TestKin(t *testing.T) {
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
