// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"encoding/binary"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
)

// kind is the kind of a record of the state. A record holds values after a change, never the
// change itself, so it may be applied twice, and a snapshot may be taken during updates
// (snapshot.go).
type kind byte

const (
	kindHead kind = iota + 1 // the first record of a file
	kindTail                 // the last record of a snapshot

	kindOrigin     // an origin: names, marks, period
	kindOriginFree // it is removed
	kindMarks      // its epoch and marks
	kindPeriod     // its period

	kindBaseline     // a baseline with its identity
	kindBaselineSeen // what a record of the feed changes of it
	kindBaselineFree // it is evicted
	kindLastSeen     // when it was seen, in a snapshot

	kindLayout          // label names; all connections are removed
	kindConnection      // identity of a connection
	kindConnectionState // counters and all else of it
	kindConnectionFree  // it is removed
	kindDeferred        // traffic that waits for its next incarnation

	kindTick  // a tick begins; the next three are of this tick
	kindBegin // a connection's counters begin
	kindPhase // a connection enters another phase
	kindEnd   // stale markers, with the final values
	kindSent  // the latest tick may have been sent although the log does not have it
	kindUndo  // the log does not have the latest tick: it is undone

	kindReport  // a message of a capture's statistics
	kindCapture // a capture, whole

	kindEndCaptures // all captures end with the next tick
)

// Kinds of later versions, after those of conversations.
const (
	// kindPolicy follows kindLayout: how label values are made; see [label.Layout].
	kindPolicy kind = 35
	// kindListener is an address that answered; see [label.Listeners].
	kindListener kind = 36
)

// Flags of a connection, the first of a capture as well.
const (
	flagEnding   = 1 << 3 // above the phase
	flagOverflow = 1 << 4
	flagDemoted  = 1 << 5
)

// journal writes records of the changes by updates and ticks, in order, into frames of a file
// (journalwriter.go). A frame is read back whole or not at all, and ends where the state is
// consistent. The aggregator's lock guards it. A nil journal, and one that is off, does
// nothing.
type journal struct {
	writer *journalWriter
	// off: the disk is failing; nothing that is written counts until the next snapshot.
	off   bool
	frame []byte // the one being built, after room for its header
}

func (j *journal) idle() bool { return j == nil || j.off }

// put begins a record that starts with a number.
func (j *journal) put(k kind, id uint32) {
	j.frame = binary.AppendUvarint(append(j.frame, byte(k)), uint64(id))
}

// seal ends a frame, unless it is empty, with the feed time of its records.
func (j *journal) seal(feedNow time.Duration) {
	if j.idle() || len(j.frame) <= frameHeader {
		return
	}
	frame := j.frame
	j.frame = j.frame[:frameHeader]
	if !j.writer.enqueue(frame, feedNow) {
		j.off = true
	}
}

func (j *journal) origin(s *origin, feedNow time.Duration) {
	if j.idle() {
		return
	}
	s.journaled = s.node.period(feedNow)
	j.frame = appendOrigin(j.frame, s)
}

func appendOrigin(dst []byte, s *origin) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindOrigin)), uint64(s.id))
	dst = disk.AppendString(disk.AppendString(dst, s.key.nodeTID), s.key.captureID)
	dst = binary.AppendUvarint(dst, uint64(s.journaled))
	return appendMarks(dst, s)
}

func (j *journal) originFree(id uint32) {
	if !j.idle() {
		j.put(kindOriginFree, id)
	}
}

func (j *journal) marks(s *origin) {
	if !j.idle() {
		j.put(kindMarks, s.id)
		j.frame = appendMarks(j.frame, s)
	}
}

func appendMarks(dst []byte, s *origin) []byte {
	for _, mark := range [...]int64{s.epoch, s.evicted.start, s.evicted.last} {
		dst = binary.AppendVarint(dst, mark)
	}
	return dst
}

// period journals a window that is longer than the period in the journal. Shorter ones are
// not journaled: without them connections only end later than they need to.
func (j *journal) period(s *origin, window time.Duration) {
	if j.idle() || window <= s.journaled {
		return
	}
	s.journaled = window
	j.put(kindPeriod, s.id)
	j.frame = binary.AppendUvarint(j.frame, uint64(window))
}

// baseline journals a new baseline; text is its UUID where that is no number.
func (j *journal) baseline(i uint32, b *baseline, text string) {
	if !j.idle() {
		j.frame = appendBaseline(j.frame, i, b, text)
	}
}

// seen journals a baseline that a record of the feed has changed.
func (j *journal) seen(i uint32, b *baseline) {
	if !j.idle() {
		j.put(kindBaselineSeen, i)
		j.frame = appendSeen(j.frame, b)
	}
}

// appendBaseline appends a baseline with its identity, without when it was seen: that is the
// feed time of the frame.
func appendBaseline(dst []byte, i uint32, b *baseline, text string) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindBaseline)), uint64(i))
	dst = binary.AppendUvarint(dst, uint64(b.flags.originID()))
	dst = binary.LittleEndian.AppendUint64(dst, b.uuid)
	return appendSeen(disk.AppendString(dst, text), b)
}

func appendSeen(dst []byte, b *baseline) []byte {
	dst = append(dst, flag(b.flags.is(isEnded)))
	dst = binary.AppendVarint(dst, b.start)
	// Updates are seconds to hours after a flow's start: shorter than two times.
	dst = binary.AppendVarint(dst, b.last-b.start)
	return appendCounts(dst, &b.counts)
}

// appendLastSeen appends when a baseline was seen.
func appendLastSeen(dst []byte, i uint32, b *baseline) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindLastSeen)), uint64(i))
	return binary.AppendVarint(dst, int64(b.seen.time()))
}

func (j *journal) baselineFree(i uint32) {
	if !j.idle() {
		j.put(kindBaselineFree, i)
	}
}

func (j *journal) layout(l *label.Layout) {
	if !j.idle() {
		j.frame = appendLayout(j.frame, l)
	}
}

func appendLayout(dst []byte, l *label.Layout) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindLayout)), uint64(len(l.Names)))
	for _, name := range l.Names {
		dst = disk.AppendString(dst, name)
	}
	if l.Policy != "" {
		dst = disk.AppendString(append(dst, byte(kindPolicy)), l.Policy)
	}
	return dst
}

func (j *journal) listener(key string) {
	if !j.idle() {
		j.frame = appendListener(j.frame, key)
	}
}

func appendListener(dst []byte, key string) []byte {
	return disk.AppendString(append(dst, byte(kindListener)), key)
}

func (j *journal) connectionNew(i uint32, c *connection) {
	if !j.idle() {
		j.frame = appendIdentity(j.frame, i, c)
	}
}

func appendIdentity(dst []byte, i uint32, c *connection) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindConnection)), uint64(i))
	return disk.AppendString(dst, c.values)
}

func (j *journal) connection(i uint32, c *connection) {
	if !j.idle() {
		j.frame = appendConnection(j.frame, i, c)
	}
}

func appendConnection(dst []byte, i uint32, c *connection) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindConnectionState)), uint64(i))
	flags := byte(c.phase)
	if c.ending {
		flags |= flagEnding
	}
	if c.overflow {
		flags |= flagOverflow
	}
	if c.demoted {
		flags |= flagDemoted
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(c.origin))
	dst = binary.AppendVarint(dst, int64(c.traffic))
	dst = binary.AppendVarint(dst, c.start)
	dst = appendGauges(dst, &c.gauges)
	return appendCounts(dst, &c.counts)
}

func appendGauges(dst []byte, g *Gauges) []byte {
	for _, value := range g {
		dst = binary.AppendUvarint(dst, value)
	}
	return dst
}

func (j *journal) connectionFree(i uint32) {
	if !j.idle() {
		j.put(kindConnectionFree, i)
	}
}

// deferred journals the traffic that waits for a connection's next incarnation.
func (j *journal) deferred(i uint32, traffic counts) {
	if !j.idle() {
		j.frame = appendDeferred(j.frame, i, traffic)
	}
}

func appendDeferred(dst []byte, i uint32, traffic counts) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindDeferred)), uint64(i))
	return appendCounts(dst, &traffic)
}

// tick journals that a tick begins.
func (j *journal) tick(t tickTimes) {
	if !j.idle() {
		j.frame = appendTick(j.frame, t)
	}
}

func appendTick(dst []byte, t tickTimes) []byte {
	dst = binary.AppendVarint(append(dst, byte(kindTick)), t.before)
	return binary.AppendVarint(binary.AppendVarint(dst, t.at), t.zero)
}

// connectionBegin journals that a connection's counters begin at the tick.
func (j *journal) connectionBegin(i uint32, next phase) {
	if !j.idle() {
		j.put(kindBegin, i)
		j.frame = append(j.frame, byte(next))
	}
}

func (j *journal) connectionPhase(i uint32, next phase) {
	if !j.idle() {
		j.put(kindPhase, i)
		j.frame = append(j.frame, byte(next))
	}
}

// connectionEnd journals that a connection gets its stale markers at the tick, and its final
// values: should the tick be undone, the markers are still to come.
func (j *journal) connectionEnd(i uint32, c *connection) {
	if !j.idle() {
		j.put(kindEnd, i)
		j.frame = binary.AppendVarint(j.frame, c.start)
		j.frame = appendGauges(j.frame, &c.gauges)
		j.frame = appendCounts(j.frame, &c.counts)
	}
}

// sent journals that the latest tick may have been sent although the log does not have it.
func (j *journal) sent() {
	if !j.idle() {
		j.frame = append(j.frame, byte(kindSent))
	}
}

// report journals a message of a capture's statistics as it was received.
func (j *journal) report(s input.CaptureStats) {
	if j.idle() || len(s.CaptureID) > maxText {
		return
	}
	j.frame = disk.AppendString(append(j.frame, byte(kindReport)), string(s.CaptureID))
	j.frame = appendStats(j.frame, &s)
}

// endCaptures journals that all captures are to end; connections are journaled one by one,
// at the tick.
func (j *journal) endCaptures() {
	if !j.idle() {
		j.frame = append(j.frame, byte(kindEndCaptures))
	}
}

func appendStats(dst []byte, s *input.CaptureStats) []byte {
	for _, n := range [...]int64{s.FlowCount, s.FlowDropped, s.KernelFlowDropped, s.PacketsDropped, s.PacketsReceived} {
		dst = binary.AppendVarint(dst, n)
	}
	return dst
}

// appendCapture appends a capture, whole.
func appendCapture(dst []byte, c *captureState) []byte {
	t := &c.total
	dst = disk.AppendString(append(dst, byte(kindCapture)), t.CaptureID)
	for _, n := range [...]uint64{t.FlowDropped, t.KernelFlowDropped, t.PacketsDropped, t.PacketsReceived} {
		dst = binary.AppendUvarint(dst, n)
	}
	flags := byte(c.phase)
	if c.ending {
		flags |= flagEnding
	}
	dst = append(dst, flags)
	dst = binary.AppendVarint(dst, c.start)
	dst = binary.AppendVarint(dst, int64(c.seen))
	dst = binary.AppendUvarint(dst, uint64(len(c.tables)))
	for i := range c.tables {
		dst = binary.AppendVarint(dst, int64(c.tables[i].seen))
		dst = appendStats(dst, &c.tables[i].stats)
	}
	return dst
}

func appendCounts(dst []byte, c *counts) []byte {
	for _, n := range [...]uint64{c.bytes[0], c.bytes[1], c.packets[0], c.packets[1]} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}
