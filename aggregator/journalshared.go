// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "encoding/binary"

// Records about conversations; see kind.
const (
	kindConversationKey kind = iota + 25 // the key of their ids
	kindConversation                     // which one a baseline is in, and the number of a shared one
	kindShared                           // a shared conversation without its observers
	kindSharedFree                       // it is removed, with its observers
	kindObserver                         // an observer of it, whole
	kindObserverFree                     // it is removed
	kindHistory                          // what of a baseline does not count
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
	dst = binary.AppendUvarint(dst, uint64(b.shared))
	return append(dst, flag(b.flags.is(isLow))*flagLow|flag(b.flags.is(isObserved))*flagObserved|flag(b.flags.is(isOuter))*flagOuter|
		flag(b.flags.is(isMixed))*flagMixed|flag(b.flags.is(isLeftOut))*flagLeftOut)
}

func (j *journal) shared(ref sharedRef, g *sharedConversation) {
	if !j.idle() {
		j.frame = appendShared(j.frame, ref, g)
	}
}

func appendShared(dst []byte, ref sharedRef, g *sharedConversation) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindShared)), uint64(ref))
	dst = binary.AppendUvarint(dst, uint64(g.primary))
	dst = append(dst, flag(g.low))
	dst = binary.AppendVarint(dst, int64(g.raised))
	return appendCounts(appendCounts(dst, &g.total), &g.history)
}

func (j *journal) sharedFree(ref sharedRef) {
	if !j.idle() {
		j.put(kindSharedFree, uint32(ref))
	}
}

func (j *journal) observer(ref sharedRef, o *observer) {
	if !j.idle() {
		j.frame = appendObserver(j.frame, ref, o)
	}
}

func appendObserver(dst []byte, ref sharedRef, o *observer) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindObserver)), uint64(ref))
	dst = binary.AppendUvarint(dst, uint64(o.origin))
	dst = append(dst, flag(o.aligned)*flagAligned|flag(o.fromStart)*flagFromStart|flag(o.trusted)*flagTrusted)
	dst = binary.AppendVarint(dst, int64(o.seen))
	for _, at := range [...]int64{o.viewAt, o.previousAt, o.start, o.mergedUntil} {
		dst = binary.AppendVarint(dst, at)
	}
	for _, c := range [...]*counts{&o.view, &o.previousView, &o.startView, &o.ownCounts} {
		dst = appendCounts(dst, c)
	}
	return dst
}

func (j *journal) observerFree(ref sharedRef, origin uint32) {
	if !j.idle() {
		j.put(kindObserverFree, uint32(ref))
		j.frame = binary.AppendUvarint(j.frame, uint64(origin))
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
