// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"encoding/binary"

	"github.com/skydive-project/skybridge/disk"
)

// choicesBytes is what the choices of a flow take: what is usual of a field, and what follows
// where it is not. The first one is in the lowest bits.
const choicesBytes = 6

// coder walks over fields in one of two directions: its methods append a value, or read it and
// set what v points to. So there is one description of what is written and read. Numbers of
// fixed size are little-endian.
type coder struct {
	encoding bool
	out      []byte       // of what is encoded
	in       disk.Decoder // of what is decoded

	choices uint64
	width   uint // bits of choices so far, of what is encoded
}

func (c *coder) byte(v *uint8) {
	if c.encoding {
		c.out = append(c.out, *v)
		return
	}
	*v = c.in.Byte()
}

func (c *coder) bool(v *bool) {
	var b uint8
	if *v {
		b = 1
	}
	c.byte(&b)
	if !c.encoding {
		*v = b == 1
		c.in.Bad = c.in.Bad || b > 1
	}
}

// uvarint is for numbers that are negative only if something is wrong.
func (c *coder) uvarint(v *int64) {
	if c.encoding {
		c.out = binary.AppendUvarint(c.out, uint64(*v))
		return
	}
	*v = int64(c.in.Uvarint())
}

func (c *coder) varint(v *int64) {
	if c.encoding {
		c.out = binary.AppendVarint(c.out, *v)
		return
	}
	*v = c.in.Varint()
}

// raw is for n bytes.
func (c *coder) raw(v *[]byte, n int) {
	if c.encoding {
		c.out = append(c.out, *v...)
		return
	}
	*v = c.in.Take(uint64(n))
}

func (c *coder) bytes(v *[]byte) {
	if c.encoding {
		c.out = append(binary.AppendUvarint(c.out, uint64(len(*v))), *v...)
		return
	}
	*v = c.in.Take(c.in.Uvarint())
}

// begin begins a flow and returns where its choices are.
func (c *coder) begin() (at int) {
	c.choices, c.width = 0, 0
	if c.encoding {
		at = len(c.out)
		c.out = append(c.out, make([]byte, choicesBytes)...)
		return at
	}
	if b := c.in.Take(choicesBytes); b != nil {
		c.choices = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint16(b[4:]))<<32
	}
	return 0
}

// end ends a flow.
func (c *coder) end(at int) {
	if c.encoding {
		binary.LittleEndian.PutUint32(c.out[at:], uint32(c.choices))
		binary.LittleEndian.PutUint16(c.out[at+4:], uint16(c.choices>>32))
	}
}

// choose is a choice of some bits: it returns v, or the one that was read.
func (c *coder) choose(bits uint, v uint64) uint64 {
	if c.encoding {
		c.choices |= v << c.width
		c.width += bits
		return v
	}
	v = c.choices & (1<<bits - 1)
	c.choices >>= bits
	return v
}

func (c *coder) flag(v *bool) {
	var choice uint64
	if *v {
		choice = 1
	}
	if choice = c.choose(1, choice); !c.encoding {
		*v = choice == 1
	}
}

// number: 0, or another one that follows.
func (c *coder) number(v *int64) {
	var choice uint64
	if *v != 0 {
		choice = 1
	}
	if c.choose(1, choice) == 1 {
		c.uvarint(v)
	}
}

// near: 0, a, b, or the difference to a follows.
func (c *coder) near(v *int64, a, b int64) {
	const zero, isA, isB, difference = 0, 1, 2, 3
	if c.encoding {
		switch *v {
		case 0:
			c.choose(2, zero)
		case a:
			c.choose(2, isA)
		case b:
			c.choose(2, isB)
		default:
			c.choose(2, difference)
			c.out = binary.AppendVarint(c.out, *v-a)
		}
		return
	}
	switch c.choose(2, 0) {
	case isA:
		*v = a
	case isB:
		*v = b
	case difference:
		*v = a + c.in.Varint()
	}
}
