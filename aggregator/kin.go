// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// kin finds the baselines of a conversation: a hash table whose entries are
// linked through the baselines themselves, so that a flow costs it 4 bytes. It
// grows by one bucket at a time (linear hashing), for moving millions of entries
// at once would stall ingest.
type kin struct {
	chunks [][]uint32 // heads of the buckets: a baseline, or none
	level  uint       // at the beginning of this round there were 1<<level buckets
	split  uint32     // the bucket that is split next
	used   [2]int     // entries, by what their conversations are one by
}

func newKin() kin {
	k := kin{level: 12} // of slabChunk
	k.grow()
	return k
}

// grow makes room for slabChunk buckets.
func (k *kin) grow() {
	heads := make([]uint32, slabChunk)
	for i := range heads {
		heads[i] = none
	}
	k.chunks = append(k.chunks, heads)
}

func (k *kin) head(bucket uint32) *uint32 {
	return &k.chunks[bucket/slabChunk][bucket%slabChunk]
}

func (k *kin) bucket(id conversationID) uint32 {
	n := uint32(id) & (1<<k.level - 1)
	if n < k.split {
		n = uint32(id) & (1<<(k.level+1) - 1)
	}
	return n
}

// firstOf returns a baseline of the conversation, or none.
func (b *baselines) firstOf(id conversationID) uint32 {
	return b.sameFrom(*b.kin.head(b.kin.bucket(id)), id)
}

// nextOf returns the one after i of the same conversation, or none.
func (b *baselines) nextOf(i uint32) uint32 {
	r := b.records.at(i)
	return b.sameFrom(r.nextKin, r.conversation)
}

func (b *baselines) sameFrom(i uint32, id conversationID) uint32 {
	for i != none && b.records.at(i).conversation != id {
		i = b.records.at(i).nextKin
	}
	return i
}

// join makes baseline i one of the conversation's.
func (b *baselines) join(i uint32, id conversationID) {
	b.records.at(i).conversation = id
	b.push(b.kin.bucket(id), i)
	b.kin.used[id.scope()]++
	if buckets := 1<<b.kin.level + int(b.kin.split); b.kin.used[0]+b.kin.used[1] > buckets {
		b.splitBucket()
	}
}

// part takes baseline i out of its conversation.
func (b *baselines) part(i uint32) {
	r := b.records.at(i)
	if r.conversation == 0 {
		return
	}
	if r.prevKin == none {
		*b.kin.head(b.kin.bucket(r.conversation)) = r.nextKin
	} else {
		b.records.at(r.prevKin).nextKin = r.nextKin
	}
	if r.nextKin != none {
		b.records.at(r.nextKin).prevKin = r.prevKin
	}
	b.kin.used[r.conversation.scope()]--
	r.conversation = 0
}

// push puts baseline i in front of a bucket.
func (b *baselines) push(bucket, i uint32) {
	head, r := b.kin.head(bucket), b.records.at(i)
	r.prevKin, r.nextKin = none, *head
	if *head != none {
		b.records.at(*head).prevKin = i
	}
	*head = i
}

// splitBucket divides one bucket's entries between it and a new one.
func (b *baselines) splitBucket() {
	k := &b.kin
	low := k.split
	if (1<<k.level+int(low))%slabChunk == 0 {
		k.grow()
	}
	rest := *k.head(low)
	*k.head(low) = none
	if k.split++; k.split == 1<<k.level {
		k.level, k.split = k.level+1, 0
	}
	for rest != none {
		i := rest
		rest = b.records.at(i).nextKin
		b.push(k.bucket(b.records.at(i).conversation), i)
	}
}
