// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

const (
	maxSegmentBytes = 64 << 20
	// segmentAge is how long a segment takes ticks: so long at most its first ones
	// take room after all endpoints have them.
	segmentAge = time.Hour
)

// store is the disk under a durable log: its segments, its cursor file and its mark
// file.
//
// A tick is written and synced before it is visible. Where that fails, the tick
// stays in memory, visible, and each tick that comes tries again to write those that
// wait there, in order.
type store struct {
	fs                     disk.FS
	dir                    string
	maxBytes, segmentBytes int64
	logger, seldom         *slog.Logger // seldom: for what can repeat without end
	metrics                *metrics
	trouble                disk.Trouble

	// The log's appending guards these.
	writer     disk.SegmentWriter
	active     *segment // the one that ticks are appended to, or the one before
	index      []byte
	marksSaved uint64 // the version of the marks that is durable

	// The log's mu guards these.
	segments []*segment // oldest first; the active one is the last, if it has ticks
	toDelete []*segment // to be removed
	bytes    int64      // of segments

	sweeping sync.Mutex
	saving   sync.Mutex // taken before the log's mu; guards cursors
	cursors  *disk.Slots
	closed   atomic.Bool
}

func (s *store) path(name string) string { return filepath.Join(s.dir, name) }

// write appends a tick and syncs it. It returns the tick as it is on disk.
func (s *store) write(t *Tick) (*Tick, error) {
	w := &s.writer
	if size := w.Size(); size >= s.segmentBytes || size > 0 && t.At-s.active.begun > segmentAge.Milliseconds() {
		w.Roll()
	}
	s.index = appendIndex(s.index[:0], t)
	file, offset, end, err := w.Append(s.index, t.bodies())
	if errors.Is(err, disk.ErrGone) {
		s.marksSaved = 0 // gone as well, perhaps
	}
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	if offset == segmentHeader {
		s.active = &segment{Segment: file, begun: t.At}
	}
	stored := t.bare()
	stored.segment, stored.offset, stored.bytes = s.active, offset, end-offset
	return stored, nil
}

// markForDeletion takes the oldest segment out of the log. The log's mu is held.
func (s *store) markForDeletion() {
	oldest := s.segments[0]
	s.segments = slices.Delete(s.segments, 0, 1)
	s.bytes -= oldest.size
	s.toDelete = append(s.toDelete, oldest)
}

// damaged counts and logs what cannot be read.
func (s *store) damaged(what string, err error) {
	s.metrics.corruptions.WithLabelValues(what).Inc()
	s.seldom.Error("log is damaged; what cannot be read is skipped", "what", what, "err", err)
}

// Parts of a durable log that can fail by themselves.
const (
	partLog     = "log"
	partCursors = "cursors"
)

// noteTrouble records how the last attempt at a part ended, and logs where the disk
// begins to fail or has recovered.
func (s *store) noteTrouble(part string, err error) {
	changed, now := s.trouble.Note(part, err)
	switch {
	case changed && now != nil:
		s.logger.Error("the disk is failing: ticks are kept in memory, and a crash now would lose them; exactness is suspended", "err", now)
	case changed:
		s.logger.Info("the disk works again: ticks are durable")
	}
}

// unusable returns the error of a file that a person can mend, so that nothing of it is
// given up; nil: reading failed for another reason, or did not.
func unusable(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("log: %w: give the files to the user who runs the bridge (chown -R)", err)
	case errors.Is(err, disk.ErrNewer):
		return fmt.Errorf("log: %s: %w", name, err)
	}
	return nil
}
