// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"

	"github.com/skydive-project/skybridge/disk"
)

// JournalConfig is where a [Journal] is.
type JournalConfig struct {
	FS  disk.FS
	Dir string
	// SegmentBytes is from which size on a segment is followed by another, 64 MiB if 0.
	SegmentBytes int64
}

const defaultSegmentBytes = 64 << 20

var _ Log = (*Journal)(nil)

// Journal is a [Log] on a local disk: a directory of segments. A goroutine of its own writes
// them, so that Append never waits for the disk: entries are written within 5 ms and durable
// by Sync. A crash of the process loses what was not written, a loss of power what was not
// synced.
//
// Once the disk fails, or is 64 MiB behind, every method that needs it returns the same error,
// which says from which entry on some may be lost, until Restart has succeeded.
type Journal struct {
	dir          string
	segmentBytes int64
	codec        Codec  // the writer's mu guards it
	entry        []byte // as well
	writer       journalWriter
	releasing    sync.Mutex // taken before the writer's mu
}

// OpenJournal opens the journal in a directory, which is made if it does not exist and which no
// other process may use. What cannot be read at its end is removed, for which the last segment
// is read into memory and written again. Where the disk cannot be
// written, there is no error: the journal can be read, and [Journal.Err] returns why it takes
// no entries. An error that wraps [disk.ErrNewer] means that it is of a newer version; nothing
// was changed then.
func OpenJournal(cfg JournalConfig) (*Journal, Recovery, error) {
	segments, err := listSegments(cfg.FS, cfg.Dir)
	if err != nil {
		return nil, Recovery{}, fmt.Errorf("input: open journal: %w", err)
	}
	last := newSegment(cfg.Dir, 1)
	var content []byte
	var entries uint64
	var recovery Recovery
	if n := len(segments); n > 0 {
		last, segments = segments[n-1], segments[:n-1]
		if content, entries, recovery, err = last.load(cfg.FS); err != nil {
			return nil, Recovery{}, fmt.Errorf("input: open journal: %w", err)
		}
	}
	j := &Journal{dir: cfg.Dir, segmentBytes: cfg.SegmentBytes}
	if j.segmentBytes == 0 {
		j.segmentBytes = defaultSegmentBytes
	}
	j.writer.start(cfg.FS, segments, last, content, entries)
	return j, recovery, nil
}

// Append implements [Log]. An entry of more than 32 MiB is refused, and nothing else is lost.
func (j *Journal) Append(e *Entry) (seq uint64, err error) {
	w := &j.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return 0, w.broken
	}
	j.entry = j.codec.Append(j.entry[:0], e)
	if len(j.entry) > maxEntry {
		err := fmt.Errorf("input: an entry of %d bytes is too long for the journal", len(j.entry))
		j.entry = nil
		return 0, err
	}
	if w.end >= j.segmentBytes {
		w.begin(newSegment(j.dir, w.next))
	}
	return w.enqueue(j.entry)
}

// Roll has the next entry begin a segment, so that those before it can be released.
func (j *Journal) Roll() {
	w := &j.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil && w.tail.first < w.next {
		w.begin(newSegment(j.dir, w.next))
	}
}

// Sync implements [Log].
func (j *Journal) Sync(seq uint64) error { return j.writer.sync(seq) }

// Next returns the number of the entry that is appended next.
func (j *Journal) Next() uint64 {
	j.writer.mu.Lock()
	defer j.writer.mu.Unlock()
	return j.writer.next
}

// Err returns why entries are not taken, nil: they are.
func (j *Journal) Err() error {
	j.writer.mu.Lock()
	defer j.writer.mu.Unlock()
	return j.writer.broken
}

// Size returns how much is on the disk.
func (j *Journal) Size() (bytes int64, segments int) {
	j.writer.mu.Lock()
	defer j.writer.mu.Unlock()
	for _, s := range j.writer.segments {
		bytes += s.size
	}
	return bytes, len(j.writer.segments)
}

// Release implements [Log]: it removes the segments all of whose entries are before a number.
// The last one is kept, for it says where the journal ends.
func (j *Journal) Release(before uint64) error {
	j.releasing.Lock()
	defer j.releasing.Unlock()
	w := &j.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.segments) > 1 && w.segments[1].first <= before {
		name := w.segments[0].name
		w.mu.Unlock()
		err := w.fs.Remove(name)
		w.mu.Lock()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("input: release entries: %w", err)
		}
		w.segments = w.segments[1:]
	}
	return nil
}

// Restart continues the journal with a new segment, whose first entry has the number seq, after
// the disk has failed or what was read had a gap. Entries before it that are in the journal stay
// there until they are released; those between are missing, and to keep what they did is up to
// the caller. It is an error, and nothing changes, if the journal already had an entry of that
// number; after any other one the disk still fails, and the journal takes no entries. None must
// be appended meanwhile.
func (j *Journal) Restart(seq uint64) error {
	w := &j.writer
	if seq < j.Next() {
		return fmt.Errorf("input: restart journal at entry %d, but it already has one of that number", seq)
	}
	_ = w.sync(math.MaxUint64) // what is lost is said already
	if err := w.restart(newSegment(j.dir, seq)); err != nil {
		return fmt.Errorf("input: restart journal at entry %d: %w", seq, err)
	}
	return nil
}

// Close implements [Log].
func (j *Journal) Close() error {
	err := j.writer.sync(math.MaxUint64)
	j.writer.close()
	return err
}
