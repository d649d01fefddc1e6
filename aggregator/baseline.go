// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// endedRetention is how long a baseline stays after its end record: records
// can overtake each other between analyzers, which flush every 5 s.
const endedRetention = 2 * time.Minute

// baseline is the last cumulative metric seen of one flow on one capture.
// Baselines outlive series: a flow that was idle for long goes on counting
// from here.
type baseline struct {
	counts
	uuid   uint64        // the UUID, where text is empty
	text   string        // a UUID that is not a number, as Skydive's are
	start  int64         // Flow.Start, ms on the agent's clock
	last   int64         // latest LUM.Last, ms on the agent's clock
	seen   time.Duration // feed time of the latest record
	source uint32        // its id
	used   bool          // false: a free record
	ended  bool          // an end record (FinishType 1) was seen

	low          bool   // of the conversation's two ends A is the lower one
	observed     bool   // its observer in the group counts it as a member
	outer        bool   // other flows name it as their parent
	older, newer uint32 // neighbours by last sight, in the list of its kind

	group            groupRef       // of its conversation, where that has several observers
	prevKin, nextKin uint32         // neighbours in a bucket of kin
	conversation     conversationID // 0: not known
}

// numberKey and textKey identify a flow on a capture. Skydive's UUIDs are
// 64-bit numbers in hexadecimal; a map without pointers costs the garbage
// collector nothing, so only other UUIDs are kept as text.
type numberKey struct {
	uuid    uint64
	capture uint32
}

type textKey struct {
	uuid    string
	capture uint32
}

// parseUUID reads a UUID as Skydive writes it: up to 16 lower-case hexadecimal
// digits. A leading zero would be another text for the same number, so it is
// none.
func parseUUID(s []byte) (n uint64, ok bool) {
	if len(s) == 0 || len(s) > 16 || (s[0] == '0' && len(s) > 1) {
		return 0, false
	}
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// baselines holds all of them, by key and by when each was last seen.
type baselines struct {
	records  slab[baseline]
	byNumber map[numberKey]uint32
	byText   map[textKey]uint32

	// Each list is in order of last sight; live and ended ones are kept for
	// different times, so each has a list of its own and the oldest is in front.
	live, ended seenList
	// Those that are in a conversation are found by it, too.
	kin kin
}

// seenList is a list of baselines, linked through their records.
type seenList struct{ oldest, newest uint32 }

func newBaselines() *baselines {
	return &baselines{
		byNumber: map[numberKey]uint32{},
		byText:   map[textKey]uint32{},
		live:     seenList{none, none},
		ended:    seenList{none, none},
		kin:      newKin(),
	}
}

// find returns the baseline of a flow, or nil.
func (b *baselines) find(f *Flow, src *source) (i uint32, found *baseline) {
	return b.findUUID(f.UUID, src)
}

// findUUID returns the baseline of the flow with that UUID, or nil.
func (b *baselines) findUUID(uuid []byte, src *source) (i uint32, found *baseline) {
	var ok bool
	if n, isNumber := parseUUID(uuid); isNumber {
		i, ok = b.byNumber[numberKey{n, src.capture.id}]
	} else {
		i, ok = b.byText[textKey{string(uuid), src.capture.id}]
	}
	if !ok {
		return none, nil
	}
	return i, b.records.at(i)
}

// add makes the baseline of a flow that has none; touch it then.
func (b *baselines) add(f *Flow, src *source) (i uint32, r *baseline) {
	i = b.records.alloc()
	r = b.records.at(i)
	r.used, r.source, r.start = true, src.id, f.Start
	if n, isNumber := parseUUID(f.UUID); isNumber {
		r.uuid = n
	} else {
		r.text = string(f.UUID)
	}
	b.index(i, src)
	b.append(&b.live, i)
	return i, r
}

// index makes a baseline of the given source one that find finds.
func (b *baselines) index(i uint32, src *source) {
	if r := b.records.at(i); r.text == "" {
		b.byNumber[numberKey{r.uuid, src.capture.id}] = i
	} else {
		b.byText[textKey{r.text, src.capture.id}] = i
	}
	src.baselines++
}

// touch records that a baseline was seen, for the last time if ended.
func (b *baselines) touch(i uint32, ended bool, feedNow time.Duration) {
	r := b.records.at(i)
	b.unlink(b.listOf(r), i)
	r.ended = r.ended || ended
	r.seen = feedNow
	b.append(b.listOf(r), i)
}

// longestUnseen returns the baseline that has been unseen longest, or none.
func (b *baselines) longestUnseen() uint32 {
	switch l, e := b.live.oldest, b.ended.oldest; {
	case l == none:
		return e
	case e == none:
		return l
	case b.records.at(e).seen < b.records.at(l).seen:
		return e
	default:
		return l
	}
}

// evict forgets a baseline of the given source, which remembers how late it
// reached, so that the flow, should it come back, does not count its history
// again.
func (b *baselines) evict(i uint32, src *source) {
	r := b.records.at(i)
	src.evictedStart = max(src.evictedStart, r.start)
	src.evictedLast = max(src.evictedLast, r.last)
	src.baselines--
	if r.text == "" {
		delete(b.byNumber, numberKey{r.uuid, src.capture.id})
	} else {
		delete(b.byText, textKey{r.text, src.capture.id})
	}
	b.unlink(b.listOf(r), i)
	b.part(i)
	b.records.release(i)
}

func (b *baselines) listOf(r *baseline) *seenList {
	if r.ended {
		return &b.ended
	}
	return &b.live
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
