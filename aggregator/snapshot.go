// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// What a journal continues.
const (
	fromEmpty    = iota // nothing: the state is new
	fromJournal         // the journal with the number before
	fromSnapshot        // the snapshot of its number alone
)

var errEnded = errors.New("the process ends")

// newJournal makes the journal file of that number, and syncs its directory.
func (d *durable) newJournal(number uint64) (*stateFile, error) {
	if err := disk.MakeDir(d.writer.fs, d.writer.dir); err != nil {
		return nil, err
	}
	f, err := createFile(d.writer.fs, fileName(d.writer.dir, number, journalSuffix))
	if err != nil {
		return nil, err
	}
	if err := d.writer.fs.SyncDir(d.writer.dir); err != nil {
		return nil, errors.Join(err, f.Close(), d.writer.fs.Remove(f.name))
	}
	return f, nil
}

// snapshot writes the snapshot of that number, and returns its size in bytes.
//
// The journal of its number begins with a tick, when the log has all of the tick before. Then
// everything is written batch by batch during updates: a batch may be newer than the journal's
// beginning, and the journal repeats the changes. The snapshot is valid once the journal is
// durable up to the point at which the last batch was written: until then one batch may have
// an update that another lacks.
func (d *durable) snapshot(number uint64) (size int64, err error) {
	next, err := d.newJournal(number)
	if err != nil {
		return 0, err
	}
	d.a.mu.Lock()
	d.next = next
	d.a.mu.Unlock()
	var head snapshotHead
	select {
	case head = <-d.heads:
	case <-d.ended:
		d.a.mu.Lock()
		used := d.next == nil
		d.next = nil
		d.a.mu.Unlock()
		if used { // by the last tick
			return 0, errEnded
		}
		return 0, errors.Join(errEnded, next.Close(), d.writer.fs.Remove(next.name))
	}

	part := fileName(d.writer.dir, number, partSuffix)
	out, err := createFile(d.writer.fs, part)
	if err != nil {
		return 0, err
	}
	err = d.dump(&snapshotWriter{file: out, feedNow: head.feedNow, frame: head.frame})
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return 0, errors.Join(err, d.writer.fs.Remove(part))
	}
	if err := d.writer.fs.Rename(part, fileName(d.writer.dir, number, snapshotSuffix)); err != nil {
		return 0, err
	}
	return out.end, d.writer.fs.SyncDir(d.writer.dir)
}

// switchJournal begins the next journal, where there is one, and takes the part of the snapshot
// that has to be of this moment. The aggregator's lock is held.
func (d *durable) switchJournal() {
	if d == nil || d.next == nil {
		return
	}
	j, how := d.a.journal, uint64(fromJournal)
	number, _, _ := parseFileName(filepath.Base(d.next.name))
	end, abandoned := d.writer.use(d.next)
	if abandoned != nil {
		how = fromSnapshot
	}
	d.switched(number, end, abandoned)
	d.next = nil
	j.off = false
	j.frame = appendHead(j.frame[:frameHeader], number, how, end)
	feedNow := d.a.clock.elapsed
	j.seal(feedNow)

	head := appendHead(make([]byte, frameHeader), number, fromSnapshot, 0)
	head = appendConversationKey(head, &d.a.conversationKey)
	head = appendTick(head, d.a.latest)
	head = appendLayout(head, d.a.connections.layout)
	for _, c := range d.a.captures.list {
		head = appendCapture(head, c)
	}
	d.heads <- snapshotHead{head, feedNow}
}

// snapshotHead is the part of a snapshot that is of the moment at which its journal begins.
type snapshotHead struct {
	frame   []byte // after room for its header
	feedNow time.Duration
}

// snapshotWriter writes the frames of a snapshot.
type snapshotWriter struct {
	file    *stateFile
	frame   []byte   // the one being built, after room for its header
	full    [][]byte // complete ones, which wait for flush
	feedNow time.Duration
	// journal is the end of the journal when the latest batch was taken.
	journal int64
}

// cut ends a frame that is large enough, so that none exceeds maxFrame.
func (w *snapshotWriter) cut() {
	if len(w.frame) >= snapshotFrame {
		w.full = append(w.full, w.frame)
		w.frame = make([]byte, frameHeader, snapshotFrame+snapshotFrame/4)
	}
}

// flush writes the frames.
func (w *snapshotWriter) flush() error {
	for _, frame := range append(w.full, w.frame) {
		if len(frame) <= frameHeader {
			continue
		}
		if len(frame) > maxFrame {
			return fmt.Errorf("a frame of %d bytes is more than %d", len(frame), maxFrame)
		}
		offset := w.file.end
		w.file.seal(frame, w.feedNow)
		if _, err := w.file.WriteAt(frame, offset); err != nil {
			return err
		}
	}
	w.full, w.frame = w.full[:0], w.frame[:frameHeader]
	return nil
}

// appendHead appends the first record of a file. end is where the journal that it continues
// ends.
func appendHead(dst []byte, number uint64, how uint64, end int64) []byte {
	dst = binary.AppendUvarint(append(dst, byte(kindHead)), number)
	return binary.AppendUvarint(binary.AppendUvarint(dst, how), uint64(end))
}

// dump writes everything.
func (d *durable) dump(w *snapshotWriter) error {
	a := d.a
	if err := w.flush(); err != nil {
		return err
	}
	err := d.parts(w, func() int { return len(a.origins.list) }, func(i uint32) {
		if s := a.origins.list[i]; s != nil {
			s.journaled = s.node.period(w.feedNow)
			w.frame = appendOrigin(w.frame, s)
			for held := range len(s.held) {
				w.frame = appendClock(w.frame, s, held)
				w.cut()
			}
			w.frame = appendClock(w.frame, s, len(s.held))
		}
	})
	if err != nil {
		return err
	}
	err = d.parts(w, func() int { return int(a.baselines.records.size) }, func(i uint32) {
		if b := a.baselines.records.at(i); b.flags.is(isUsed) {
			w.frame = appendBaseline(w.frame, i, b, a.baselines.texts[i])
			w.frame = appendLastSeen(w.frame, i, b)
			if history, ok := a.baselines.histories[i]; ok {
				w.frame = appendHistory(w.frame, i, history)
			}
			if b.conversation != 0 || b.flags.is(isOuter) || b.flags.is(isLeftOut) {
				w.frame = appendConversation(w.frame, i, b)
			}
		}
	})
	if err != nil {
		return err
	}
	err = d.parts(w, func() int { return int(a.shared.records.size) }, func(i uint32) {
		if g := a.shared.records.at(i); g.used {
			ref := sharedRef(i + 1)
			w.frame = appendShared(w.frame, ref, g)
			for j := range g.observers {
				w.frame = appendObserver(w.frame, ref, &g.observers[j])
			}
		}
	})
	if err != nil {
		return err
	}
	err = d.parts(w, func() int { return int(a.connections.records.size) }, func(i uint32) {
		if c := a.connections.records.at(i); c.used {
			w.frame = appendConnection(appendIdentity(w.frame, i, c), i, c)
			if traffic, ok := a.connections.deferred[i]; ok {
				w.frame = appendDeferred(w.frame, i, traffic)
			}
		}
	})
	if err != nil {
		return err
	}
	err = d.parts(w, func() int { return a.listeners.Len() }, func(i uint32) {
		all, _ := a.listeners.State()
		w.frame = appendListener(w.frame, all[i].Key)
	})
	if err != nil {
		return err
	}
	if err := d.writer.sync(); err != nil {
		return err
	}
	w.frame = binary.AppendUvarint(append(w.frame, byte(kindTail)), uint64(w.journal))
	return w.flush()
}

// parts calls add for every index below size, a batch at a time under the aggregator's lock.
func (d *durable) parts(w *snapshotWriter, size func() int, add func(i uint32)) error {
	for next, end := 0, false; !end; {
		d.a.mu.Lock()
		w.feedNow = d.a.clock.elapsed
		n := size()
		for limit := min(next+batch, n); next < limit; next++ {
			add(uint32(next))
			w.cut()
		}
		end = next >= n
		w.journal = d.writer.position()
		d.a.mu.Unlock()
		if len(w.full) > 0 || end {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}
