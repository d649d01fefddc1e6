// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// HeaderSize is how many bytes a file's header has:
//
//	magic[8] version u32 crc u32 salt u64
//
// The crc is of what is before it. Numbers are little-endian.
const HeaderSize = 24

var (
	// ErrNewer says that a file was written by a newer version.
	ErrNewer = errors.New("written by a newer version of skybridge")
	// ErrDamaged says that what was read is not what was written.
	ErrDamaged = errors.New("damaged")

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// AppendHeader makes the header of a file. The magic has 8 bytes; the salt is
// random, see [Sum].
func AppendHeader(dst []byte, magic string, version uint32, salt uint64) []byte {
	begin := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, version)
	dst = binary.LittleEndian.AppendUint32(dst, Checksum(dst[begin:]))
	return binary.LittleEndian.AppendUint64(dst, salt)
}

// ReadHeader returns the salt of a file with that magic and at most that version.
// The error wraps ErrNewer, ErrDamaged, or is the disk's.
func ReadHeader(r io.ReaderAt, magic string, version uint32) (salt uint64, err error) {
	var b [HeaderSize]byte
	if err := ReadFull(r, b[:], 0); err != nil {
		return 0, err
	}
	if string(b[:8]) != magic || binary.LittleEndian.Uint32(b[12:]) != Checksum(b[:12]) {
		return 0, fmt.Errorf("header: %w", ErrDamaged)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v > version {
		return 0, fmt.Errorf("format %d, this one knows up to %d: %w", v, version, ErrNewer)
	}
	return binary.LittleEndian.Uint64(b[16:]), nil
}

// ReadFull fills b from offset; a file that is too short is damaged.
func ReadFull(r io.ReaderAt, b []byte, offset int64) error {
	n, err := r.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("cut off: %w", ErrDamaged)
	}
	return err
}

// Checksum is the CRC-32C of b.
func Checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// Sum is the checksum of a part of a file. It covers the file's salt and the
// part's place as well: a part is only one where it was written, and bytes that a
// former file left, or that came in with a label, can never look like one.
func Sum(salt, place uint64, part []byte) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], salt)
	binary.LittleEndian.PutUint64(b[8:], place)
	return crc32.Update(Checksum(b[:]), castagnoli, part)
}
