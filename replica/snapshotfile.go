// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"

	"github.com/skydive-project/skybridge/disk"
)

// Rules is the number of the counting rules: a state that others made, with entries to apply to
// it, would give other samples than those that were sent.
const Rules = 1

var errEnded = errors.New("the process ends")

// snapshotFormat is that of snapshots: a frame of a [head] as JSON, then frames that each are a
// block of the aggregator's, then an empty one.
var snapshotFormat = disk.Format{
	Magic: "skysnaps", Version: 1, FrameMagic: 0x2b9e41c5, MaxHead: 64 << 20, Suffix: ".snapshot",
}

// head is what a snapshot says of itself.
type head struct {
	// Rules is the number of the counting rules that made the state.
	Rules int
	// Next is the number of the first entry that is not in the state.
	Next uint64
	// Time and Tick are the times, in ms, of the latest entry and of the latest tick.
	Time, Tick int64
	// Configuration is the one in force.
	Configuration json.RawMessage
	// First: it is the first one of its process, and may have been converted from a former state
	// that is still there.
	First bool
}

func snapshotName(dir string, next uint64) string {
	return disk.NumberedName(dir, next, snapshotFormat.Suffix)
}

// removeFiles removes the files in a directory, which need not exist.
func removeFiles(system disk.FS, dir string) error {
	entries, err := system.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, system.Remove(filepath.Join(dir, e.Name)))
	}
	if err != nil || len(entries) == 0 {
		return err
	}
	return system.SyncDir(dir)
}

// writeSnapshot writes a snapshot, whose blocks next returns until it returns false. It is
// durable when there is no error. When stop is closed it ends with errEnded; nil never is.
func writeSnapshot(system disk.FS, dir string, h head, next func() ([]byte, bool), stop <-chan struct{}) (size int64, err error) {
	name := snapshotName(dir, h.Next)
	w := snapshotWriter{salt: rand.Uint64(), offset: disk.HeaderSize}
	part := name + disk.NewSuffix
	if err := system.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an attempt that failed
		return 0, err
	}
	if w.file, err = system.Create(part); err != nil {
		return 0, err
	}
	if err = w.all(h, next, stop); err == nil {
		err = w.file.Sync()
	}
	if err = errors.Join(err, w.file.Close()); err != nil {
		return 0, errors.Join(err, system.Remove(part))
	}
	if err := system.Rename(part, name); err != nil {
		return 0, err
	}
	return w.offset, system.SyncDir(dir)
}

type snapshotWriter struct {
	file   disk.File
	salt   uint64
	offset int64
	buf    []byte
}

func (w *snapshotWriter) all(h head, next func() ([]byte, bool), stop <-chan struct{}) error {
	if _, err := w.file.WriteAt(disk.AppendHeader(nil, snapshotFormat.Magic, snapshotFormat.Version, w.salt), 0); err != nil {
		return err
	}
	text, err := json.Marshal(&h)
	if err != nil {
		return err
	}
	if err := w.frame(text); err != nil {
		return err
	}
	for block, ok := next(); ok; block, ok = next() {
		select {
		case <-stop:
			return errEnded
		default:
		}
		if err := w.frame(block); err != nil {
			return err
		}
	}
	if err := w.frame(nil); err != nil {
		return err
	}
	return w.flush()
}

const writeBytes = 1 << 20

func (w *snapshotWriter) frame(content []byte) error {
	w.buf = snapshotFormat.AppendFrame(w.buf, w.salt, w.offset+int64(len(w.buf)), content)
	if len(w.buf) < writeBytes {
		return nil
	}
	return w.flush()
}

func (w *snapshotWriter) flush() error {
	_, err := w.file.WriteAt(w.buf, w.offset)
	w.offset += int64(len(w.buf))
	w.buf = w.buf[:0]
	return err
}

// snapshotReader reads a snapshot.
type snapshotReader struct {
	name   string
	file   disk.File
	frames disk.FrameReader
	offset int64
}

// openSnapshot opens the snapshot of that number and returns what it says of itself.
func openSnapshot(system disk.FS, dir string, number uint64) (r *snapshotReader, h head, err error) {
	name := snapshotName(dir, number)
	f, err := system.Open(name)
	if err != nil {
		return nil, head{}, err
	}
	r = &snapshotReader{name: name, file: f, offset: disk.HeaderSize}
	if err = r.begin(&h); err == nil && h.Next != number {
		err = fmt.Errorf("%s: %w", name, disk.ErrDamaged)
	}
	if err != nil {
		return nil, head{}, errors.Join(err, f.Close())
	}
	return r, h, nil
}

func (r *snapshotReader) begin(h *head) error {
	size, err := r.file.Size()
	if err != nil {
		return err
	}
	salt, err := disk.ReadHeader(r.file, snapshotFormat.Magic, snapshotFormat.Version)
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	r.frames = disk.FrameReader{From: r.file, Format: &snapshotFormat, Salt: salt, Size: size}
	text, err := r.next()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, h); err != nil {
		return fmt.Errorf("%w: %w", disk.ErrDamaged, err)
	}
	return nil
}

// next returns the next block, which is valid until the call after it; [io.EOF] is the end.
func (r *snapshotReader) next() ([]byte, error) {
	block, end, err := r.frames.Read(r.offset)
	if err != nil {
		return nil, fmt.Errorf("%s at %d: %w", r.name, r.offset, err)
	}
	r.offset = end
	if len(block) == 0 {
		return nil, io.EOF
	}
	return block, nil
}
