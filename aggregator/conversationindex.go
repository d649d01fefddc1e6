// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// conversationIndex finds the baselines of a conversation: a hash table whose entries are
// linked through the baselines, so that a flow takes 4 bytes more. It grows by one bucket at
// a time (linear hashing), for moving millions of entries at once would stall ingest.
type conversationIndex struct {
	chunks  [][]uint32 // heads of the buckets: a baseline, or none
	level   uint       // at the beginning of this round there were 1<<level buckets
	split   uint32     // the bucket that is split next
	entries [2]int     // entries, by scope
}

func newConversationIndex() conversationIndex {
	k := conversationIndex{level: 12} // of slabChunk
	k.grow()
	return k
}

// grow makes room for slabChunk buckets.
func (k *conversationIndex) grow() {
	heads := make([]uint32, slabChunk)
	for i := range heads {
		heads[i] = none
	}
	k.chunks = append(k.chunks, heads)
}

func (k *conversationIndex) head(bucket uint32) *uint32 {
	return &k.chunks[bucket/slabChunk][bucket%slabChunk]
}

func (k *conversationIndex) bucket(id conversationID) uint32 {
	n := uint32(id) & (1<<k.level - 1)
	if n < k.split {
		n = uint32(id) & (1<<(k.level+1) - 1)
	}
	return n
}

// firstOf returns a baseline of the conversation, or none.
func (b *baselines) firstOf(id conversationID) uint32 {
	return b.sameFrom(*b.byConversation.head(b.byConversation.bucket(id)), id)
}

// nextOf returns the one after i of the same conversation, or none.
func (b *baselines) nextOf(i uint32) uint32 {
	r := b.records.peek(i)
	return b.sameFrom(r.nextInBucket, r.conversation)
}

func (b *baselines) sameFrom(i uint32, id conversationID) uint32 {
	for i != none && b.records.peek(i).conversation != id {
		i = b.records.peek(i).nextInBucket
	}
	return i
}

// addToConversation adds baseline i to a conversation.
func (b *baselines) addToConversation(i uint32, id conversationID) {
	b.records.at(i).conversation = id
	b.push(b.byConversation.bucket(id), i)
	b.byConversation.entries[id.scope()]++
	if buckets := 1<<b.byConversation.level + int(b.byConversation.split); b.byConversation.entries[0]+b.byConversation.entries[1] > buckets {
		b.splitBucket()
	}
}

// removeFromConversation removes baseline i from its conversation.
func (b *baselines) removeFromConversation(i uint32) {
	r := b.records.at(i)
	if r.conversation == 0 {
		return
	}
	if r.prevInBucket == none {
		*b.byConversation.head(b.byConversation.bucket(r.conversation)) = r.nextInBucket
	} else {
		b.records.at(r.prevInBucket).nextInBucket = r.nextInBucket
	}
	if r.nextInBucket != none {
		b.records.at(r.nextInBucket).prevInBucket = r.prevInBucket
	}
	b.byConversation.entries[r.conversation.scope()]--
	r.conversation = 0
}

// push puts baseline i in front of a bucket.
func (b *baselines) push(bucket, i uint32) {
	head, r := b.byConversation.head(bucket), b.records.at(i)
	r.prevInBucket, r.nextInBucket = none, *head
	if *head != none {
		b.records.at(*head).prevInBucket = i
	}
	*head = i
}

// splitBucket divides one bucket's entries between it and a new one.
func (b *baselines) splitBucket() {
	k := &b.byConversation
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
		rest = b.records.at(i).nextInBucket
		b.push(k.bucket(b.records.at(i).conversation), i)
	}
}
