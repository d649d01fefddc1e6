// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// linkBaselines adds baselines to the index, and counts them where they belong.
func (s *stateCoder) linkBaselines() (ok bool) {
	a, bs := s.a, s.a.baselines
	for i := range bs.records.size {
		b := bs.records.at(i)
		if !b.flags.is(isUsed) {
			continue
		}
		from := s.originOf(b.flags.originID())
		if from == nil {
			return false
		}
		key := bs.keyOf(i, from)
		if bs.byKey.find(bs.hash(&key), func(i uint32) bool { return bs.has(i, &key) }) != none {
			return false
		}
		bs.link(i, from)
		if b.shared == 0 {
			continue
		}
		if uint32(b.shared) > a.shared.records.size {
			return false
		}
		g := a.shared.at(b.shared)
		g.members++
		if !b.flags.is(isObserved) {
			continue
		}
		o := g.observer(from.id)
		if o == nil {
			return false
		}
		o.members++
	}
	for i := range a.shared.records.size {
		g := a.shared.records.at(i)
		if g.used != (g.members > 0) {
			return false
		}
		for j := range g.observers {
			if o := &g.observers[j]; o.members == 0 {
				s.originOf(o.origin).baselines++ // see leaveObserver
			}
		}
	}
	return true
}

// linkSeen links the lists of baselines backwards: each used one has to be in its list once.
func (s *stateCoder) linkSeen() (ok bool) {
	bs := s.a.baselines
	n := 0
	for _, l := range [...]*seenList{&bs.live, &bs.ended, &bs.repeatable} {
		l.newest = none
		for i := l.oldest; i != none; n++ {
			if i >= bs.records.size || n == bs.records.used {
				return false
			}
			b := bs.records.at(i)
			if !b.flags.is(isUsed) || bs.listOf(b) != l {
				return false
			}
			b.older, l.newest, i = l.newest, i, b.newer
		}
	}
	return n == bs.records.used
}

// linkBuckets links the buckets of conversations backwards, and finds their first entries. No
// entry may follow two others or, in a circle, itself.
func (s *stateCoder) linkBuckets() (ok bool) {
	bs := s.a.baselines
	k, all := &bs.byConversation, &bs.records
	buckets := uint64(1)<<min(k.level, 32) + uint64(k.split)
	if k.level < 12 || k.split >= 1<<min(k.level, 31) || buckets > max(1<<12, uint64(all.size)) {
		return false
	}
	for uint64(len(k.chunks))*slabChunk < buckets {
		k.grow()
	}
	isEntry := func(i uint32) bool { return i < all.size && all.at(i).conversation != 0 }
	follow := bitset{}
	for i := range all.size {
		b := all.at(i)
		if b.conversation == 0 {
			continue
		}
		k.entries[b.conversation.scope()]++
		if next := b.nextInBucket; next != none && (!isEntry(next) || k.bucket(all.at(next).conversation) != k.bucket(b.conversation) || !follow.add(next)) {
			return false
		}
	}
	reached := 0
	for i := range all.size {
		if !isEntry(i) || follow.has(i) {
			continue
		}
		head := k.head(k.bucket(all.at(i).conversation))
		if *head != none {
			return false
		}
		*head = i
		for j, previous := i, none; j != none; reached++ {
			b := all.at(j)
			b.prevInBucket, previous, j = previous, j, b.nextInBucket
		}
	}
	return reached == k.entries[0]+k.entries[1]
}
