// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"encoding/binary"
	"math"
)

// Decoder reads what records are made of, from the front of Rest. After the first
// thing that is not there, or is out of its range, Bad is set and everything is
// zero or empty. It is for one goroutine.
type Decoder struct {
	Rest []byte
	Bad  bool
}

// Uvarint reads an unsigned varint.
func (d *Decoder) Uvarint() uint64 {
	v, n := binary.Uvarint(d.Rest)
	if n <= 0 || d.Bad {
		d.Bad = true
		return 0
	}
	d.Rest = d.Rest[n:]
	return v
}

// Varint reads a signed varint.
func (d *Decoder) Varint() int64 {
	v, n := binary.Varint(d.Rest)
	if n <= 0 || d.Bad {
		d.Bad = true
		return 0
	}
	d.Rest = d.Rest[n:]
	return v
}

// Count reads an unsigned varint that must be below 2^52: small enough to calculate
// with.
func (d *Decoder) Count() int64 {
	v := d.Uvarint()
	if v >= 1<<52 {
		d.Bad = true
		return 0
	}
	return int64(v)
}

// Int reads an unsigned varint that must fit an int wherever the program runs, also
// where an int has 32 bits.
func (d *Decoder) Int() int {
	v := d.Count()
	if v > math.MaxInt32 {
		d.Bad = true
		return 0
	}
	return int(v)
}

// Take reads n bytes, which are part of Rest; nil where there are not so many.
func (d *Decoder) Take(n uint64) []byte {
	if d.Bad || n > uint64(len(d.Rest)) {
		d.Bad = true
		return nil
	}
	b := d.Rest[:n]
	d.Rest = d.Rest[n:]
	return b
}

// Byte reads a byte.
func (d *Decoder) Byte() byte {
	if b := d.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint32 reads a little-endian number of 4 bytes.
func (d *Decoder) Uint32() uint32 {
	if b := d.Take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads a little-endian number of 8 bytes.
func (d *Decoder) Uint64() uint64 {
	if b := d.Take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// String reads what [AppendString] wrote.
func (d *Decoder) String() string { return string(d.Take(d.Uvarint())) }

// AppendString appends a string after its length.
func AppendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
