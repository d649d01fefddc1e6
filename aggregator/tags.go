// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/skydive-project/skybridge/input"
)

// tag is a flow's VLAN and VNI; 0 is absent.
type tag struct{ vlan, vni int64 }

// compatible reports whether flows with the two tags can be of one conversation: an absent
// tag matches any.
func (t tag) compatible(o tag) bool {
	return (t.vlan == 0 || o.vlan == 0 || t.vlan == o.vlan) && (t.vni == 0 || o.vni == 0 || t.vni == o.vni)
}

// tags finds conversations that differ only in their tags. A tag changes the upper half of
// an id by a mask, so such conversations share a bucket, and the mask between two ids gives
// the tag. So tags need no memory in baselines.
type tags struct {
	key   conversationKey
	known map[conversationID]tag // by mask
	list  []tag                  // the same, in the order in which they came
	own   conversationID         // scratch: of the latest flow and those with the same tag
}

const (
	maskShift = 32
	maskBits  = 1<<31 - 1 // below the scope
	maxVLAN   = 1 << 12
	maxTags   = 1 << 16
)

func (ts *tags) maskOf(key conversationKey, t tag) conversationID {
	if t == (tag{}) {
		return 0
	}
	text := binary.AppendVarint(binary.AppendVarint(append(key[:], "tag"...), t.vlan), t.vni)
	sum := sha256.Sum256(text)
	return conversationID(binary.LittleEndian.Uint32(sum[:])&maskBits) << maskShift
}

// learn adds a tag of a flow.
func (ts *tags) learn(key conversationKey, t tag) conversationID {
	if ts.known == nil || ts.key != key {
		ts.key, ts.known, ts.list = key, map[conversationID]tag{0: {}}, []tag{{}}
	}
	mask := ts.maskOf(key, t)
	if _, ok := ts.known[mask]; !ok && len(ts.known) < maxTags {
		ts.known[mask], ts.list = t, append(ts.list, t)
	}
	return mask
}

// between returns the tag of conversation id, whose id without a tag would be base.
func (ts *tags) between(key conversationKey, base, id conversationID) (t tag, ok bool) {
	if uint32(base) != uint32(id) || base.scope() != id.scope() {
		return tag{}, false
	}
	if ts.learn(key, tag{}); len(ts.known) < maxVLAN {
		for vlan := int64(1); vlan < maxVLAN; vlan++ {
			ts.learn(key, tag{vlan: vlan})
		}
	}
	t, ok = ts.known[base^id]
	return t, ok
}

// tagged returns the conversation of a flow whose id without a tag is base. Two flows are of
// different conversations where their tags differ, or where one capture saw both. Conversations
// that a capture without tags has merged stay merged. Not ok: the flow may
// be of several, each of which is reported by other captures, so that it counts nowhere.
func (a *Aggregator) tagged(base conversationID, f *input.Flow, from *origin) (id conversationID, ok bool) {
	t := tag{f.VLAN, f.VNI}
	own := base
	if t != (tag{}) {
		own ^= a.tags.learn(a.conversationKey, t)
	}
	a.tags.own = own
	bs := a.baselines
	if bs.firstOf(own) != none {
		return own, true
	}
	type candidate struct {
		id          conversationID
		mixed, mine bool
	}
	var found [8]candidate
	n := 0
	for i := *bs.byConversation.head(bs.byConversation.bucket(base)); i != none; i = bs.records.peek(i).nextInBucket {
		r := bs.records.peek(i)
		its, related := a.tags.between(a.conversationKey, base, r.conversation)
		if !related {
			continue
		}
		k := 0
		for k < n && found[k].id != r.conversation {
			k++
		}
		if k == n {
			if n == len(found) {
				continue
			}
			found[n] = candidate{id: r.conversation}
			n++
		}
		c := &found[k]
		c.mixed = c.mixed || r.flags.is(isMixed)
		c.mine = c.mine || r.flags.originID() == from.id || !its.compatible(t)
	}
	fits := 0
	for _, c := range found[:n] {
		if c.mixed {
			return c.id, true
		}
		if !c.mine {
			fits, id = fits+1, c.id
		}
	}
	switch fits {
	case 0:
		return own, true
	case 1:
		return id, true
	}
	return 0, false
}
