// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/skydive-project/skybridge/disk"
)

// Read implements [Log]. It waits until what was appended before is written, and holds no lock
// while it reads.
func (j *Journal) Read(from uint64, apply func(seq uint64, e *Entry) error) error {
	r := journalReader{next: max(from, 1), apply: apply}
	last, segments, failing := j.writer.flush()
	for i, s := range segments {
		if i+1 < len(segments) && segments[i+1].first <= r.next {
			continue
		}
		if s.first > r.next {
			break
		}
		damage, err := r.read(j.writer.fs, &s)
		switch {
		case err != nil:
			return err
		case i+1 < len(segments) && segments[i+1].first == r.next: // a crash cut off no more
		case damage != nil:
			return fmt.Errorf("input: entries from %d on cannot be read: %w", r.next, damage)
		}
	}
	switch {
	case r.next == last+1:
		return nil
	case r.next > last:
		return fmt.Errorf("input: the journal ends with entry %d, before %d: %w", last, r.next, ErrMissing)
	case failing != nil:
		return failing
	}
	return fmt.Errorf("input: entries from %d to %d cannot be read: %w", r.next, last, ErrMissing)
}

// journalReader reads entries of a journal in order.
type journalReader struct {
	next  uint64 // the number of the next one
	apply func(seq uint64, e *Entry) error
	codec Codec
	entry Entry
}

// read applies the entries of a segment, up to the first one that is damaged.
func (r *journalReader) read(system disk.FS, s *segment) (damage, err error) {
	f, frames, err := s.open(system)
	switch {
	case errors.Is(err, disk.ErrDamaged):
		return err, nil
	case errors.Is(err, fs.ErrNotExist): // released meanwhile, or deleted
		return nil, fmt.Errorf("input: read journal: %w: %w", ErrMissing, err)
	case err != nil:
		return nil, fmt.Errorf("input: read journal: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	for seq, offset := s.first, int64(disk.HeaderSize); offset < s.size; seq++ {
		frame, end, err := frames.Read(offset)
		if err == nil && seq >= r.next {
			err = r.codec.Decode(frame, &r.entry)
		}
		if err != nil {
			err = fmt.Errorf("%s at %d: %w", s.name, offset, err)
		}
		switch {
		case errors.Is(err, disk.ErrDamaged):
			return err, nil
		case err != nil:
			return nil, fmt.Errorf("input: read journal: %w", err)
		}
		if offset = end; seq >= r.next {
			if err := r.apply(seq, &r.entry); err != nil {
				return nil, err
			}
			r.next = seq + 1
		}
	}
	return nil, nil
}
