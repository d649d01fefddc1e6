// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
)

// maxWords bounds the words of a batch that are remembered: looking for one costs as much.
const maxWords = 64

// textCoder is a coder that knows the forms of text.
type textCoder struct {
	coder
	text  []byte   // that decoding made of numbers
	words [][]byte // of a batch, in the order in which they first came
}

// word is for text that few flows of a batch have for themselves: empty, that of the flow
// before, which is last, one whose index in the table follows, or one that follows.
func (c *textCoder) word(v, last *[]byte) {
	const none, same, known, literal = 0, 1, 2, 3
	if !c.encoding {
		switch c.choose(2, 0) {
		case none:
		case same:
			*v = *last
		case known:
			if i := c.in.Uvarint(); i < uint64(len(c.words)) {
				*v = c.words[i]
			} else {
				c.in.Bad = true
			}
		case literal:
			c.bytes(v)
			c.remember(*v)
		}
		*last = *v
		return
	}
	text := *v
	switch {
	case len(text) == 0:
		c.choose(2, none)
	case bytes.Equal(text, *last):
		c.choose(2, same)
	default:
		i := slices.IndexFunc(c.words, func(w []byte) bool { return bytes.Equal(w, text) })
		if i >= 0 {
			c.choose(2, known)
			c.out = binary.AppendUvarint(c.out, uint64(i))
			break
		}
		c.choose(2, literal)
		c.bytes(v)
		c.remember(text)
	}
	*last = text
}

func (c *textCoder) remember(word []byte) {
	if len(c.words) < maxWords {
		c.words = append(c.words, word)
	}
}

// forget lets go of the words, which are memory of others.
func (c *textCoder) forget() {
	clear(c.words)
	c.words = c.words[:0]
}

// id is for ids of flows: empty, hexadecimal as 8 bytes, or text.
func (c *textCoder) id(v *[]byte) {
	const none, hex, text = 0, 1, 2
	if !c.encoding {
		switch c.choose(2, 0) {
		case none:
		case hex:
			n := c.in.Uint64()
			*v = c.printed(strconv.AppendUint(c.text, n, 16))
		case text:
			c.bytes(v)
		default:
			c.in.Bad = true
		}
		return
	}
	switch n, ok := parseHex(*v); {
	case len(*v) == 0:
		c.choose(2, none)
	case ok:
		c.choose(2, hex)
		c.out = binary.LittleEndian.AppendUint64(c.out, n)
	default:
		c.choose(2, text)
		c.bytes(v)
	}
}

// parseHex returns the number that strconv prints as text in base 16.
func parseHex(text []byte) (n uint64, ok bool) {
	if len(text) > 16 || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	valid := uint64(1)
	for _, b := range text {
		valid &= lowerHex >> (b - '0')
		n = n<<4 | uint64(hexValue(b))
	}
	return n, valid == 1
}

// lowerHex has a bit for each hexadecimal digit in lower case, counted from '0'. Digits and
// letters alternate at random: a branch would be mispredicted.
const lowerHex = 1<<10 - 1 | (1<<6-1)<<('a'-'0')

// hexValue is the value of a hexadecimal digit, and anything of another byte.
func hexValue(b byte) byte { return b&0xf + b>>6*9 }

// printed returns what was appended to the text.
func (c *textCoder) printed(text []byte) []byte {
	from := len(c.text)
	c.text = text
	return text[from:len(text):len(text)]
}
