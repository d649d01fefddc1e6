// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// baseline is the last cumulative metric seen of one flow on one capture.
// Baselines outlive series: a flow that was idle for long goes on counting
// from here. There are far more of them than of anything else: 96 bytes.
type baseline struct {
	counts
	uuid         uint64         // the UUID; 0 where it is among the texts
	start        int64          // Flow.Start, ms on the agent's clock
	last         int64          // latest Flow.updated, ms on the agent's clock
	conversation conversationID // 0: not known

	seen  moment // feed time of the latest record
	from  origin
	group groupRef // of its conversation, where that has several observers
	// connection is the one that it was part of when it was last counted, and 1; it
	// may be gone or another one by now.
	connection       uint32
	older, newer     uint32 // neighbours by last sight, in the list of its kind
	prevKin, nextKin uint32 // neighbours in a bucket of kin
}

// moment is a feed time in tenths of a second, rounded down.
type moment uint32

const tenth = time.Second / 10

func momentOf(feedTime time.Duration) moment { return moment(max(0, feedTime/tenth)) }

func (m moment) time() time.Duration { return time.Duration(m) * tenth }

// origin is the id of a baseline's source, which is below maxSources, and what there
// is to say of it with yes or no.
type origin uint32

const (
	isUsed       origin = maxSources << iota // else it is a free record
	isEnded                                  // an end record (FinishType 1) was seen
	isLow                                    // of the conversation's two ends A is the lower one
	isObserved                               // its observer in the group counts it as a member
	isOuter                                  // other flows name it as their parent
	isRepeatable                             // it has ended, and another capture may report the same flow
	isMixed                                  // its tag is not that of its conversation
	isLeftOut                                // it carries others and does not count
)

func (o origin) source() uint32 { return uint32(o) % maxSources }

func (o origin) is(what origin) bool { return o&what != 0 }

func (o *origin) set(what origin, yes bool) {
	if *o &^= what; yes {
		*o |= what
	}
}

// flowKey identifies a flow on a capture. Skydive's UUIDs are 64-bit numbers in
// hexadecimal, a quarter of the size of a text; others are kept as they are.
type flowKey struct {
	number  uint64
	text    []byte // a UUID that is no number
	capture uint32
}

func flowKeyOf(uuid []byte, src *source) flowKey {
	if n, isNumber := parseUUID(uuid); isNumber {
		return flowKey{number: n, capture: src.capture.id}
	}
	return flowKey{text: uuid, capture: src.capture.id}
}

// parseUUID reads a UUID as Skydive writes it: up to 16 lower-case hexadecimal
// digits. A leading zero would be another text for the same number, so it is
// none.
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

// hexDigits are the values of lower-case hexadecimal digits, and 0x10 for any other
// byte. Whether a digit is a letter is up to chance, so that a processor which has to
// guess is wrong half of the time: a fifth of an update.
var hexDigits = func() (table [256]byte) {
	for c := range table {
		table[c] = 0x10
	}
	for v, c := range "0123456789abcdef" {
		table[c] = byte(v)
	}
	return table
}()

// baselines holds all of them, by key and by when each was last seen.
type baselines struct {
	records slab[baseline]
	byKey   index
	texts   map[uint32]string // UUIDs that are no numbers
	// histories are what does not count of baselines' counts: it was before the first
	// record of a flow that is old.
	histories map[uint32]counts
	sources   *sources // of the records

	// Each list is in order of last sight; live ones, ended ones and those of them that
	// other captures may repeat are kept for different times, so each has a list of its
	// own and the oldest is in front.
	live, ended, repeatable seenList
	// Those that are in a conversation are found by it, too.
	kin kin
}

// seenList is a list of baselines, linked through their records.
type seenList struct{ oldest, newest uint32 }

func newBaselines(ss *sources) *baselines {
	return &baselines{
		byKey:      newIndex(),
		texts:      map[uint32]string{},
		histories:  map[uint32]counts{},
		sources:    ss,
		live:       seenList{none, none},
		ended:      seenList{none, none},
		repeatable: seenList{none, none},
		kin:        newKin(),
	}
}

// find returns the baseline of a flow, or nil.
func (b *baselines) find(f *Flow, src *source) (i uint32, found *baseline) {
	return b.findUUID(f.UUID, src)
}

// findUUID returns the baseline of the flow with that UUID, or nil.
func (b *baselines) findUUID(uuid []byte, src *source) (i uint32, found *baseline) {
	key := flowKeyOf(uuid, src)
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

// has says whether baseline i is that of the flow with that key.
func (b *baselines) has(i uint32, key *flowKey) bool {
	r := b.records.at(i)
	return r.uuid == key.number && b.sources.list[r.from.source()].capture.id == key.capture && b.texts[i] == string(key.text)
}

// keyOf returns the key of baseline i of the given source.
func (b *baselines) keyOf(i uint32, src *source) flowKey {
	if text, ok := b.texts[i]; ok {
		return flowKey{text: []byte(text), capture: src.capture.id}
	}
	return flowKey{number: b.records.at(i).uuid, capture: src.capture.id}
}

// add makes the baseline of a flow that has none; touch it then.
func (b *baselines) add(f *Flow, src *source) (i uint32, r *baseline) {
	i = b.records.alloc()
	r = b.records.at(i)
	r.from, r.start = isUsed|origin(src.id), f.Start
	if key := flowKeyOf(f.UUID, src); key.text == nil {
		r.uuid = key.number
	} else {
		b.texts[i] = string(key.text)
	}
	b.index(i, src)
	b.append(&b.live, i)
	return i, r
}

// index makes a baseline of the given source one that find finds.
func (b *baselines) index(i uint32, src *source) {
	key := b.keyOf(i, src)
	b.byKey.add(b.hash(&key), i)
	src.baselines++
	src.capture.known++
}

// touch records that a baseline was seen; for the last time if ended, unless it is
// repeatable.
func (b *baselines) touch(i uint32, ended, repeatable bool, feedNow time.Duration) {
	r := b.records.at(i)
	b.unlink(b.listOf(r), i)
	if ended {
		r.from.set(isEnded, true)
		r.from.set(isRepeatable, repeatable)
	}
	r.seen = momentOf(feedNow)
	b.append(b.listOf(r), i)
}

// longestUnseen returns the baseline that has been unseen longest, or none.
func (b *baselines) longestUnseen() uint32 {
	oldest := none
	for _, l := range [...]*seenList{&b.live, &b.ended, &b.repeatable} {
		if l.oldest != none && (oldest == none || b.records.at(l.oldest).seen < b.records.at(oldest).seen) {
			oldest = l.oldest
		}
	}
	return oldest
}

// evict forgets a baseline of the given source, which remembers how late it
// reached, so that the flow, should it come back, does not count its history
// again; bound says that max_flows evicts it.
func (b *baselines) evict(i uint32, src *source, bound bool) {
	r := b.records.at(i)
	last := r.last
	if c := &src.node.clock; r.seen.time() < c.began {
		last = min(last, c.floor) // on the scale of the present generation
	}
	if bound {
		src.displaced.raise(r.start, last)
	} else {
		src.retired.raise(r.start, last)
	}
	src.baselines--
	src.capture.known--
	key := b.keyOf(i, src)
	b.byKey.remove(b.hash(&key), i)
	delete(b.texts, i)
	delete(b.histories, i)
	b.unlink(b.listOf(r), i)
	b.part(i)
	b.records.release(i)
}

func (b *baselines) listOf(r *baseline) *seenList {
	switch {
	case !r.from.is(isEnded):
		return &b.live
	case r.from.is(isRepeatable):
		return &b.repeatable
	default:
		return &b.ended
	}
}

func (b *baselines) append(l *seenList, i uint32) {
	r := b.records.at(i)
	r.older, r.newer = l.newest, none
	if l.newest == none {
		l.oldest = i
	} else {
		b.records.at(l.newest).newer = i
	}
	l.newest = i
}

func (b *baselines) unlink(l *seenList, i uint32) {
	r := b.records.at(i)
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
