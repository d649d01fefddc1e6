// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
)

// NewSuffix ends the name of a file that is to replace another and may not be
// complete. One that a crash left is of no use.
const NewSuffix = ".new"

// Swap puts a file with that content in the place of name, or of no file: it is
// written under another name, synced and renamed, so that at any time there is the
// former file or this one, whole. It is returned open. Its name is durable when
// SyncDir has returned; after an error either file may have the name.
func Swap(system FS, name string, content []byte) (File, error) {
	next := name + NewSuffix
	if err := system.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an attempt that failed
		return nil, err
	}
	f, err := system.Create(next)
	if err != nil {
		return nil, err
	}
	if _, err = f.WriteAt(content, 0); err == nil {
		err = f.Sync()
	}
	if err != nil {
		_ = errors.Join(f.Close(), system.Remove(next)) // it may be what fills the disk
		return nil, err
	}
	if err = system.Rename(next, name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Replace is Swap that makes the name durable as well.
func Replace(system FS, name string, content []byte) error {
	f, err := Swap(system, name, content)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), system.SyncDir(filepath.Dir(name)))
}

// A small file is a payload that is written whole, after its header:
//
//	header: magic[8] version u32 crc u32 salt u64 size u32 crc u32
const smallHeader = HeaderSize + 8

// WriteSmall replaces a small file. After an error the former one is whole, or this.
func WriteSmall(system FS, name, magic string, version uint32, payload []byte) error {
	salt := rand.Uint64()
	b := AppendHeader(nil, magic, version, salt)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, Sum(salt, uint64(len(payload)), payload))
	return Replace(system, name, append(b, payload...))
}

// ReadSmall returns the payload of a small file, of at most limit bytes. The error
// wraps ErrNewer, ErrDamaged, or is the disk's.
func ReadSmall(system FS, name, magic string, version, limit uint32) ([]byte, error) {
	f, err := system.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was read only
	salt, err := ReadHeader(f, magic, version)
	if err != nil {
		return nil, err
	}
	var b [8]byte
	if err := ReadFull(f, b[:], HeaderSize); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(b[:])
	if size > limit {
		return nil, fmt.Errorf("header: %w", ErrDamaged)
	}
	payload := make([]byte, size)
	if err := ReadFull(f, payload, smallHeader); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(b[4:]) != Sum(salt, uint64(size), payload) {
		return nil, fmt.Errorf("checksum: %w", ErrDamaged)
	}
	return payload, nil
}
