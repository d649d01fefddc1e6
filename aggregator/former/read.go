// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package former

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// Read reads the state of a directory, which need not exist, and changes nothing there. lastTick
// is the time in ms of the latest tick in the log of ticks, 0 for none; negative: there are no
// endpoints, and the log need not match the state. A state that cannot be read is no error but a
// reason to reset all counters; a state of a newer version is an error, and so is one that this
// user may not read.
//
// Where the state does not match the log, the log is right: a tick that it does not have was not
// sent, and is undone. A state that lacks a tick of the log is an old one: to continue from it
// would count twice.
func Read(system disk.FS, dir string, lastTick int64) (*State, error) {
	r := newReplay()
	none, err := r.directory(system, dir)
	var reason string
	oldLog := none
	switch {
	case errors.Is(err, disk.ErrNewer):
		return nil, fmt.Errorf("state: %w: run that version, or remove the directory, which resets every counter to 0", err)
	case errors.Is(err, fs.ErrPermission): // an operator can correct that; a reset cannot be undone
		return nil, fmt.Errorf("state: %w: give the files to the user who runs the bridge (chown -R)", err)
	case err != nil:
		reason = err.Error()
	case none:
		reason = "there is none"
	default:
		oldLog, reason = r.matchLog(lastTick)
	}
	if oldLog && lastTick > 0 {
		r.SentUntil = max(r.Latest.At, lastTick)
	}
	if reason == "" {
		if n := r.contradictions(); n > 0 {
			reason = fmt.Sprintf("%d of its records contradict others", n)
		}
	}
	s := &r.State
	if s.Listeners, s.ListenerHand = r.listeners.State(); reason != "" {
		s = &State{ResetReason: reason, Cut: s.Cut, SentUntil: s.SentUntil, EarliestZero: s.EarliestZero}
	}
	s.Continues, s.LastTick = reason == "", max(s.Latest.At, lastTick)
	if none && lastTick <= 0 {
		s.ResetReason = "" // the first process
	}
	if lastTick >= 0 {
		if lastTick < s.Latest.At { // the log lost ticks that may have been sent
			s.EarliestZero = s.Latest.At + 1
		}
		s.Latest.At = lastTick
	}
	return s, nil
}

// matchLog undoes a tick that the log does not have. It returns whether the log is an old one,
// and why the state cannot be used, or "".
func (r *replay) matchLog(lastTick int64) (oldLog bool, resetReason string) {
	switch latest := r.Latest; {
	case lastTick < 0 || latest.At == lastTick:
		return false, ""
	case latest.At < lastTick:
		return false, fmt.Sprintf("it is of %s, older than what was sent last, of %s", stamp(latest.At), stamp(lastTick))
	case latest.Before == lastTick && !r.sent:
		r.undo()
		return false, ""
	default:
		// The log lost ticks that may have been sent. Unless it could not be written at the
		// latest tick, it is an old one.
		return !r.sent, ""
	}
}

func stamp(ms int64) string {
	if ms == 0 {
		return "before any tick"
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano)
}

// directory reads the newest snapshot and the journals that follow it or, without one, those from
// a journal on that continues nothing. An error means that none of it can be used.
func (r *replay) directory(system disk.FS, dir string) (none bool, err error) {
	entries, err := system.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	base, hasSnapshot, journals := uint64(0), false, map[uint64]int64{} // sizes
	for _, e := range entries {                                         // in the order of their numbers
		digits, suffix, _ := strings.Cut(e.Name, ".")
		number, notNumber := strconv.ParseUint(digits, 10, 64)
		switch {
		case notNumber != nil || len(digits) < 8:
		case suffix == "snapshot":
			base, hasSnapshot = number, true
		case suffix == "journal":
			if journals[number] = e.Size; len(journals) == 1 && !hasSnapshot {
				base = number
			}
		}
	}
	if err != nil || len(journals) == 0 && !hasSnapshot {
		return err == nil, err
	}
	path := func(number uint64, suffix string) string {
		return filepath.Join(dir, fmt.Sprintf("%08d.%s", number, suffix))
	}
	if hasSnapshot {
		r.tail = -1
		_, err := readFile(system, path(base, "snapshot"), r.frame)
		if err == nil && (r.tail < 0 || r.head.number != base) {
			err = fmt.Errorf("snapshot %d: cut off: %w", base, disk.ErrDamaged)
		}
		if err != nil {
			return false, err
		}
	}
	end := int64(0) // of the journal before
	for number := base; ; number++ {
		size, ok := journals[number]
		if !ok && number == base {
			return false, fmt.Errorf("journal %d: missing: %w", base, disk.ErrDamaged)
		}
		if !ok {
			return false, nil
		}
		applied, err := r.journal(system, path(number, "journal"), func(h fileHead) bool {
			return h.number == number && (number == base && (hasSnapshot || h.how == 0) || number > base && h.how == 1 && h.end == end)
		})
		if err != nil {
			return false, err
		}
		if applied == 0 && number == base {
			return false, fmt.Errorf("journal %d: no beginning: %w", number, disk.ErrDamaged)
		}
		r.Cut += size - applied
		if applied == 0 { // of a process that ended before it wrote, or after a journal whose end is missing
			return false, nil
		}
		if end = applied; number == base && end < r.tail {
			return false, fmt.Errorf("journal %d: cut off at %d, before its snapshot was taken: %w", number, end, disk.ErrDamaged)
		}
	}
}

// journal applies the journal of a file up to where it is torn, and returns where that is; 0: it
// does not begin, or does not follow what was read before.
func (r *replay) journal(system disk.FS, name string, follows func(fileHead) bool) (end int64, err error) {
	applied, partly := false, false
	end, err = readFile(system, name, func(records []byte, feedNow time.Duration) error {
		if !applied {
			d := decoder{Decoder: disk.Decoder{Rest: records}}
			if d.Byte() != 1 || !follows(d.head()) || d.Bad {
				return disk.ErrDamaged
			}
		}
		applied, partly = true, true
		err := r.frame(records, feedNow)
		partly = err != nil
		return err
	})
	switch {
	case partly || err != nil && !errors.Is(err, disk.ErrDamaged):
		return 0, err
	case !applied:
		return 0, nil
	}
	return end, nil
}

const (
	frameHeader = 16
	maxFrame    = 64 << 20 // its header included
)

// readFile passes every frame of a file to apply, in order, and returns where the last valid one
// ends. The error wraps disk.ErrNewer, disk.ErrDamaged (frames up to end are valid), is that of
// apply, or the disk's.
//
// A frame is its size u32, its checksum u32, the feed time i64, and records.
func readFile(system disk.FS, name string, apply func(records []byte, feedNow time.Duration) error) (end int64, err error) {
	f, err := system.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	salt, err := disk.ReadHeader(f, "skystate", 2)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	in := bufio.NewReaderSize(io.NewSectionReader(f, disk.HeaderSize, size), 1<<20)
	for end = disk.HeaderSize; end < size; {
		frame, err := readFrame(in, salt, end, size-end)
		if err == nil {
			err = apply(frame[8:], time.Duration(binary.LittleEndian.Uint64(frame)))
		}
		if err != nil {
			return end, fmt.Errorf("%s at %d: %w", name, end, err)
		}
		end += 8 + int64(len(frame))
	}
	return end, nil
}

// readFrame reads the frame at a place, of the bytes that are left, without size and checksum.
func readFrame(in io.Reader, salt uint64, place, left int64) ([]byte, error) {
	if left < frameHeader {
		return nil, fmt.Errorf("cut off: %w", disk.ErrDamaged)
	}
	var b [frameHeader]byte
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return nil, err
	}
	size := int64(binary.LittleEndian.Uint32(b[:]))
	if size > min(maxFrame, left)-frameHeader {
		return nil, fmt.Errorf("frame: %w", disk.ErrDamaged)
	}
	frame := append(b[8:], make([]byte, size)...)
	if _, err := io.ReadFull(in, frame[8:]); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(b[4:]) != disk.Sum(salt, uint64(place), frame) {
		return nil, fmt.Errorf("frame: checksum: %w", disk.ErrDamaged)
	}
	return frame, nil
}
