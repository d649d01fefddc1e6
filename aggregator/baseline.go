// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"time"

	"github.com/skydive-project/skybridge/input"
)

// baseline is the last cumulative metric of one flow on one capture. Baselines outlive
// series: a flow that was idle for long continues from its baseline. They take most of the
// memory, 96 bytes each.
type baseline struct {
	counts
	uuid         uint64         // the UUID; 0 where it is among the texts
	start        int64          // Flow.Start, ms on the agent's clock
	last         int64          // latest Flow.Updated, ms on the agent's clock
	conversation conversationID // 0: not known

	seen   moment // feed time of the latest record
	flags  baselineFlags
	shared sharedRef // its conversation, where that has several observers
	// connection is the number of the one that last counted it, plus 1; the number may
	// be free or another connection's by now.
	connection                 uint32
	older, newer               uint32 // neighbours in its seenList
	prevInBucket, nextInBucket uint32 // neighbours in a bucket of byConversation
}

// moment is a feed time in tenths of a second, rounded down.
type moment uint32

const tenth = time.Second / 10

func momentOf(feedTime time.Duration) moment { return moment(max(0, feedTime/tenth)) }

func (m moment) time() time.Duration { return time.Duration(m) * tenth }

// baselineFlags is the id of a baseline's origin, below maxOrigins, and flags above it.
type baselineFlags uint32

const (
	isUsed       baselineFlags = maxOrigins << iota // else it is a free record
	isEnded                                         // an end record (FinishType 1) was seen
	isLow                                           // of the conversation's two ends A is the lower one
	isObserved                                      // its observer in the group counts it as a member
	isOuter                                         // other flows name it as their parent
	isRepeatable                                    // it has ended, and another capture may report the same flow
	isMixed                                         // its tag is not that of its conversation
	isLeftOut                                       // it carries others and does not count
)

func (o baselineFlags) originID() uint32 { return uint32(o) % maxOrigins }

func (o baselineFlags) is(what baselineFlags) bool { return o&what != 0 }

func (o *baselineFlags) set(what baselineFlags, yes bool) {
	if *o &^= what; yes {
		*o |= what
	}
}

// flowKey identifies a flow on a capture. Skydive's UUIDs are 64-bit numbers in
// hexadecimal, kept in a quarter of the size of the text; others are kept as text.
type flowKey struct {
	number  uint64
	text    []byte // a UUID that is no number
	capture uint32
}

func flowKeyOf(uuid []byte, from *origin) flowKey {
	if n, isNumber := parseUUID(uuid); isNumber {
		return flowKey{number: n, capture: from.capture.id}
	}
	return flowKey{text: uuid, capture: from.capture.id}
}

// parseUUID reads a UUID as Skydive writes it: up to 16 lower-case hexadecimal digits
// without a leading zero, so that a number has one text.
func parseUUID(s []byte) (n uint64, ok bool) {
	if len(s) == 0 || len(s) > 16 || (s[0] == '0' && len(s) > 1) {
		return 0, false
	}
	bad := byte(0)
	for _, c := range s {
		digit := hexDigits[c]
		bad |= digit
		n = n<<4 | uint64(digit&0xf)
	}
	return n, bad < 0x10
}

// hexDigits are the values of lower-case hexadecimal digits, and 0x10 for any other byte.
// A branch on letter or digit would be mispredicted half of the time: a fifth of an update.
var hexDigits = func() (table [256]byte) {
	for c := range table {
		table[c] = 0x10
	}
	for v, c := range "0123456789abcdef" {
		table[c] = byte(v)
	}
	return table
}()

// baselines holds all of them, by key and by the time of the latest record.
type baselines struct {
	records slab[baseline]
	byKey   index
	texts   map[uint32]string // UUIDs that are no numbers
	// histories is what of baselines does not count: bytes of flows from before they were
	// watched.
	histories map[uint32]counts
	origins   *origins // of the records

	// Lists in the order of the latest records, the oldest first, one for each retention:
	// live, ended, and ended ones that other captures may repeat.
	live, ended, repeatable seenList
	byConversation          conversationIndex
}

// seenList is a list of baselines, linked through their records.
type seenList struct{ oldest, newest uint32 }

func newBaselines(ss *origins) *baselines {
	return &baselines{
		byKey:          newIndex(),
		texts:          map[uint32]string{},
		histories:      map[uint32]counts{},
		origins:        ss,
		live:           seenList{none, none},
		ended:          seenList{none, none},
		repeatable:     seenList{none, none},
		byConversation: newConversationIndex(),
	}
}

// find returns the baseline of the flow with that UUID, or nil.
func (b *baselines) find(uuid []byte, from *origin) (i uint32, found *baseline) {
	key := flowKeyOf(uuid, from)
	if i = b.byKey.find(b.hash(&key), func(i uint32) bool { return b.has(i, &key) }); i == none {
		return none, nil
	}
	return i, b.records.at(i)
}

func (b *baselines) hash(key *flowKey) uint64 {
	if key.text == nil {
		return b.byKey.hashNumber(key.number, key.capture)
	}
	return b.byKey.hashNumber(b.byKey.hash(key.text), key.capture)
}

// has reports whether baseline i has that key.
func (b *baselines) has(i uint32, key *flowKey) bool {
	r := b.records.peek(i)
	return r.uuid == key.number && b.origins.peek(r.flags.originID()).capture.id == key.capture && b.texts[i] == string(key.text)
}

// keyOf returns the key of baseline i.
func (b *baselines) keyOf(i uint32, from *origin) flowKey {
	if text, ok := b.texts[i]; ok {
		return flowKey{text: []byte(text), capture: from.capture.id}
	}
	return flowKey{number: b.records.peek(i).uuid, capture: from.capture.id}
}

// add makes the baseline of a flow that has none. The caller has to call touch.
func (b *baselines) add(f *input.Flow, from *origin) (i uint32, r *baseline) {
	i = b.records.alloc()
	r = b.records.at(i)
	r.flags, r.start = isUsed|baselineFlags(from.id), f.Start
	if key := flowKeyOf(f.UUID, from); key.text == nil {
		r.uuid = key.number
	} else {
		b.texts[i] = string(key.text)
	}
	b.link(i, from)
	b.append(&b.live, i, r)
	return i, r
}

// link adds baseline i to the index and to its origin's numbers.
func (b *baselines) link(i uint32, from *origin) {
	key := b.keyOf(i, from)
	b.byKey.add(b.hash(&key), i)
	from.baselines++
	from.capture.known++
}

// touch records that a record of the flow arrived, and whether the flow has ended.
func (b *baselines) touch(i uint32, r *baseline, ended, repeatable bool, feedNow time.Duration) {
	b.unlink(b.listOf(r), r)
	if ended {
		r.flags.set(isEnded, true)
		r.flags.set(isRepeatable, repeatable)
	}
	r.seen = momentOf(feedNow)
	b.append(b.listOf(r), i, r)
}

// leastRecent returns the baseline whose latest record is the oldest, or none.
func (b *baselines) leastRecent() uint32 {
	oldest := none
	for _, l := range [...]*seenList{&b.live, &b.ended, &b.repeatable} {
		if l.oldest != none && (oldest == none || b.records.peek(l.oldest).seen < b.records.peek(oldest).seen) {
			oldest = l.oldest
		}
	}
	return oldest
}

// evict removes a baseline and raises its origin's high-water marks to its times, so that
// its history does not count again should the flow be reported again; bound: max_flows
// evicts it.
func (b *baselines) evict(i uint32, from *origin, bound bool) {
	r := b.records.at(i)
	last := r.last
	if c := &from.node.clock; r.seen.time() < c.began {
		last = min(last, c.floor) // on the scale of the present generation
	}
	if bound {
		from.evictedByBound.raise(r.start, last)
	} else {
		from.evicted.raise(r.start, last)
	}
	from.baselines--
	from.capture.known--
	key := b.keyOf(i, from)
	b.byKey.remove(b.hash(&key), i)
	delete(b.texts, i)
	delete(b.histories, i)
	b.unlink(b.listOf(r), r)
	b.removeFromConversation(i)
	b.records.release(i)
}

func (b *baselines) listOf(r *baseline) *seenList {
	switch {
	case !r.flags.is(isEnded):
		return &b.live
	case r.flags.is(isRepeatable):
		return &b.repeatable
	default:
		return &b.ended
	}
}

func (b *baselines) append(l *seenList, i uint32, r *baseline) {
	r.older, r.newer = l.newest, none
	if l.newest == none {
		l.oldest = i
	} else {
		b.records.at(l.newest).newer = i
	}
	l.newest = i
}

func (b *baselines) unlink(l *seenList, r *baseline) {
	if r.older == none {
		l.oldest = r.newer
	} else {
		b.records.at(r.older).newer = r.newer
	}
	if r.newer == none {
		l.newest = r.older
	} else {
		b.records.at(r.newer).older = r.older
	}
}
