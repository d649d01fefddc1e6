// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import "github.com/skydive-project/skybridge/disk"

// segment is a file of ticks. The log's lock guards what is not the file's own.
type segment struct {
	*disk.Segment
	last  uint64 // number of its last tick
	begun int64  // time of its first tick, ms
	size  int64
	// compacted: its ticks are.
	compacted bool
	// displaced: its name may be another file's by now. What is open stays so until
	// the segment is removed.
	displaced bool
	// refs is how many cursors hold a tick of it: so long it is not removed.
	refs int
}

// release ends a cursor's reference. The log's mu is held.
func (s *segment) release() {
	s.refs--
	if s.refs == 0 && !s.displaced {
		s.Close()
	}
}
