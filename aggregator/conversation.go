// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// A conversation is what two ends say to each other: the flows of one 5-tuple,
// in either orientation, on one node or, where observers count as one, on all.
// Each capture that sees it is an observer of it and reports it as flows of its
// own.

// conversationID names one by a keyed hash of its addresses, which a baseline
// would otherwise have to keep; 0 is none. With the key unknown nobody can make
// two collide, and by chance two of 4 million do once in two million times. The
// highest bit says by what it is one.
type conversationID uint64

// By what flows are one conversation.
const (
	byNode  = iota // within a node
	byTuple        // wherever they are seen
)

func (id conversationID) scope() int { return int(id >> 63) }

// conversationKey is the key of the hash. It must outlive the process.
type conversationKey [16]byte

func newConversationKey() (k conversationKey) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}

// identify names the conversation of a flow, and says whether A is the lower of
// its two ends: that tells flows of the two orientations apart. Without an
// address there is nothing by which flows could be known as one, and no name.
func (a *Aggregator) identify(f *Flow, scope int) (id conversationID, low bool) {
	if len(f.NetworkA) == 0 && len(f.NetworkB) == 0 {
		return 0, false
	}
	order := bytes.Compare(f.NetworkA, f.NetworkB)
	low = order < 0 || (order == 0 && f.TransportA <= f.TransportB)
	a.key = append(a.key[:0], a.conversationKey[:]...)
	key := a.key
	if scope == byNode {
		key = appendBytes(key, f.NodeTID)
	}
	key = appendBytes(key, f.TransportProtocol)
	ends := [2][]byte{f.NetworkA, f.NetworkB}
	ports := [2]int64{f.TransportA, f.TransportB}
	for i := range ends {
		if !low {
			i = 1 - i
		}
		key = binary.AppendVarint(appendBytes(key, ends[i]), ports[i])
	}
	a.key = key
	sum := sha256.Sum256(key)
	id = conversationID(binary.LittleEndian.Uint64(sum[:])>>1) | conversationID(scope)<<63
	return max(id, 1), low // 0 is none
}

func appendBytes(dst, s []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// maxKin bounds how many flows of one observer a conversation has before it has a
// second one: Skydive reports a few that follow each other.
const maxKin = 128

// converse makes a baseline one of its conversation's, and gives the conversation
// a group where this is its second observer. Not ok: it may be of several.
func (a *Aggregator) converse(i uint32, f *Flow, src *source, feedNow time.Duration) (ok bool) {
	id, low, ok := a.conversationOf(f, src)
	if id == 0 {
		return ok
	}
	bs := a.baselines
	r := bs.records.at(i)
	r.from.set(isLow, low)
	other := bs.firstOf(id)
	switch {
	case other == none:
		bs.join(i, id)
	case bs.records.at(other).group != 0:
		bs.join(i, id)
		r.group = bs.records.at(other).group
		a.groups.at(r.group).members++
	case bs.records.at(other).from.source() != src.id:
		bs.join(i, id)
		a.form(i, feedNow)
	case bs.more(other, maxKin):
		a.metrics.observersRefused.Inc()
		return true
	default:
		bs.join(i, id)
	}
	r.from.set(isMixed, id != a.tags.own)
	a.journal.conversation(i, r)
	return true
}

// more says whether a conversation has at least n baselines.
func (b *baselines) more(first uint32, n int) bool {
	for i := first; i != none; i = b.nextOf(i) {
		if n--; n == 0 {
			return true
		}
	}
	return false
}

// conversationOf names the conversation of a flow that is in none yet.
//
// What a conversation is one by was decided when it began: a reload that decides
// otherwise is for those that begin afterwards, or what was counted up to it could
// count again. So a flow goes where those of its node are that are remembered: what
// it reports may be what they have reported, or are about to.
func (a *Aggregator) conversationOf(f *Flow, src *source) (id conversationID, low, ok bool) {
	bs := a.baselines
	if former := 1 - a.scope; bs.kin.used[former] > 0 {
		if id, low = a.identify(f, former); id != 0 {
			id, _ = a.tagged(id, f, src) // 0, where it is of several, is of none
		}
		looked := 0
		for i := bs.firstOf(id); id != 0 && i != none && looked < maxKin; i = bs.nextOf(i) {
			if a.sources.list[bs.records.at(i).from.source()].node == src.node {
				return id, low, true
			}
			looked++
		}
	}
	if id, low = a.identify(f, a.scope); id == 0 {
		return 0, low, true
	}
	id, ok = a.tagged(id, f, src)
	return id, low, ok
}
