// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "encoding/binary"

// Records about conversations; see kind.
const (
	kindConversationKey kind = iota + 25 // the key of their names
	kindConversation                     // which one a baseline is in, and its group
	kindGroup                            // a group but for its observers
	kindGroupFree                        // it is forgotten, with its observers
	kindObserver                         // an observer of a group, whole
	kindObserverFree                     // it is forgotten
	kindHistory                          // what does not count of a baseline
)

// Flags of a baseline's conversation.
const (
	flagLow = 1 << iota
	flagObserved
	flagOuter
	flagMixed
	flagLeftOut
)

// Flags of an observer.
const (
	flagAligned = 1 << iota
	flagFromStart
	flagTrusted
)

func appendConversationKey(dst []byte, key *conversationKey) []byte {
	return append(append(dst, byte(kindConversationKey)), key[:]...)
}

func (j *journal) conversation(i uint32, b *baseline) {
	if !j.idle() {
		j.frame = appendConversation(j.frame, i, b)
	}
}

func appendConversation(dst []byte, i uint32, b *baseline) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindConversation)), uint64(i))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.conversation))
	dst = binary.AppendUvarint(dst, uint64(b.group))
	return append(dst, flag(b.from.is(isLow))*flagLow|flag(b.from.is(isObserved))*flagObserved|flag(b.from.is(isOuter))*flagOuter|
		flag(b.from.is(isMixed))*flagMixed|flag(b.from.is(isLeftOut))*flagLeftOut)
}

func (j *journal) group(ref groupRef, g *group) {
	if !j.idle() {
		j.frame = appendGroup(j.frame, ref, g)
	}
}

func appendGroup(dst []byte, ref groupRef, g *group) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindGroup)), uint64(ref))
	dst = binary.AppendUvarint(dst, uint64(g.first))
	dst = append(dst, flag(g.low))
	dst = binary.AppendVarint(dst, int64(g.raised))
	return appendCounts(appendCounts(dst, &g.total), &g.history)
}

func (j *journal) groupFree(ref groupRef) {
	if !j.idle() {
		j.put(kindGroupFree, uint32(ref))
	}
}

func (j *journal) observer(ref groupRef, o *observer) {
	if !j.idle() {
		j.frame = appendObserver(j.frame, ref, o)
	}
}

func appendObserver(dst []byte, ref groupRef, o *observer) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindObserver)), uint64(ref))
	dst = binary.AppendUvarint(dst, uint64(o.source))
	dst = append(dst, flag(o.aligned)*flagAligned|flag(o.fromStart)*flagFromStart|flag(o.trusted)*flagTrusted)
	dst = binary.AppendVarint(dst, int64(o.seen))
	for _, at := range [...]int64{o.at, o.beforeAt, o.start, o.took} {
		dst = binary.AppendVarint(dst, at)
	}
	for _, c := range [...]*counts{&o.view, &o.before, &o.startView, &o.sum} {
		dst = appendCounts(dst, c)
	}
	return dst
}

func (j *journal) observerFree(ref groupRef, source uint32) {
	if !j.idle() {
		j.put(kindObserverFree, uint32(ref))
		j.frame = binary.AppendUvarint(j.frame, uint64(source))
	}
}

func (j *journal) history(i uint32, history counts) {
	if !j.idle() {
		j.frame = appendHistory(j.frame, i, history)
	}
}

func appendHistory(dst []byte, i uint32, history counts) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindHistory)), uint64(i))
	return appendCounts(dst, &history)
}
