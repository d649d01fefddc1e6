// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/skydive-project/skybridge/input"
)

// A conversation is the flows of one 5-tuple, in either orientation, on one node or, with
// observers: one, on all nodes. Each capture that sees it is an observer and reports flows
// of its own.

// conversationID is a keyed hash of a conversation's addresses, which a baseline would
// otherwise have to keep; 0 is none. Without the key no sender can make two collide. Among
// 4 million, the probability that any two collide by chance is one in two million. The
// highest bit is the scope.
type conversationID uint64

// The scope of a conversation.
const (
	byNode  = iota // the flows of one node
	byTuple        // of all nodes
)

func (id conversationID) scope() int { return int(id >> 63) }

// conversationKey is the key of the hash, that of the first process.
type conversationKey [16]byte

// identifyConversation returns the conversation of a flow in a scope, and whether A is the
// lower of its two ends, which gives the orientation. Flows without addresses have none.
func (a *Aggregator) identifyConversation(f *input.Flow, scope int) (id conversationID, low bool) {
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

// maxConversationFlows bounds the flows of a conversation with one observer: Skydive
// reports a few that follow each other.
const maxConversationFlows = 128

// assignConversation adds a baseline to its conversation, which becomes a shared one with
// its second observer. Not ok: the flow may be of several conversations.
func (a *Aggregator) assignConversation(i uint32, f *input.Flow, from *origin, feedNow time.Duration) (ok bool) {
	id, low, ok := a.conversationOf(f, from)
	if id == 0 {
		return ok
	}
	bs := a.baselines
	r := bs.records.at(i)
	r.flags.set(isLow, low)
	other := bs.firstOf(id)
	switch {
	case other == none:
		bs.addToConversation(i, id)
	case bs.records.at(other).shared != 0:
		bs.addToConversation(i, id)
		r.shared = bs.records.at(other).shared
		a.shared.at(r.shared).members++
	case bs.records.at(other).flags.originID() != from.id:
		bs.addToConversation(i, id)
		a.share(i, feedNow)
	case bs.hasFlows(other, maxConversationFlows):
		a.metrics.observersRefused.Inc()
		return true
	default:
		bs.addToConversation(i, id)
	}
	r.flags.set(isMixed, id != a.tags.own)
	return true
}

// hasFlows reports whether a conversation has at least n baselines.
func (b *baselines) hasFlows(first uint32, n int) bool {
	for i := first; i != none; i = b.nextOf(i) {
		if n--; n == 0 {
			return true
		}
	}
	return false
}

// conversationOf returns the conversation of a flow that is in none yet.
//
// A conversation keeps its scope: a reload changes the scope of new ones only, or what was
// counted before could count again. So a flow joins the conversation of the other flows of
// its node, which may have reported the same.
func (a *Aggregator) conversationOf(f *input.Flow, from *origin) (id conversationID, low, ok bool) {
	bs := a.baselines
	if former := 1 - a.scope; bs.byConversation.entries[former] > 0 {
		if id, low = a.identifyConversation(f, former); id != 0 {
			id, _ = a.tagged(id, f, from) // 0 where it may be of several
		}
		looked := 0
		for i := bs.firstOf(id); id != 0 && i != none && looked < maxConversationFlows; i = bs.nextOf(i) {
			if a.origins.peek(bs.records.peek(i).flags.originID()).node == from.node {
				return id, low, true
			}
			looked++
		}
	}
	if id, low = a.identifyConversation(f, a.scope); id == 0 {
		return 0, low, true
	}
	id, ok = a.tagged(id, f, from)
	return id, low, ok
}
