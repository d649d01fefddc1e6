// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// address: empty, that of the flow before, which is last, the 4 bytes of IPv4, or another:
// its length + 1 and the text, or 0 and the 16 bytes of an IPv6 address that prints as the
// text.
func (c *textCoder) address(v, last *[]byte) {
	const none, same, four, other = 0, 1, 2, 3
	if !c.encoding {
		switch c.choose(2, 0) {
		case none:
		case same:
			*v = *last
		case four:
			if b := c.in.Take(4); b != nil {
				*v = c.printed(netip.AddrFrom4([4]byte(b)).AppendTo(c.text))
			}
		case other:
			if n := c.in.Uvarint(); n > 0 {
				*v = c.in.Take(n - 1)
			} else if b := c.in.Take(16); b != nil {
				*v = c.printed(netip.AddrFrom16([16]byte(b)).AppendTo(c.text))
			}
		}
		*last = *v
		return
	}
	switch text := *v; {
	case len(text) == 0:
		c.choose(2, none)
	case bytes.Equal(text, *last):
		c.choose(2, same)
	default:
		if a, ok := parse4(text); ok {
			c.choose(2, four)
			c.out = append(c.out, a[:]...)
			break
		}
		c.choose(2, other)
		if a, ok := parse16(text); ok {
			c.out = append(append(c.out, 0), a[:]...)
			break
		}
		c.out = append(binary.AppendUvarint(c.out, uint64(len(text))+1), text...)
	}
	*last = *v
}

// parse4 returns the address that netip prints as text. netip.ParseAddr would allocate.
func parse4(text []byte) (a [4]byte, ok bool) {
	part, digits, i := 0, 0, 0
	for _, b := range text {
		switch {
		case b == '.' && digits > 0 && i < 3:
			a[i] = byte(part)
			part, digits, i = 0, 0, i+1
		case b < '0' || b > '9' || digits > 0 && part == 0:
			return a, false
		default:
			if part = part*10 + int(b-'0'); part > 255 {
				return a, false
			}
			digits++
		}
	}
	a[i] = byte(part)
	return a, i == 3 && digits > 0
}

// parse16 is parse4 for IPv6: it makes an address of the text without looking, and prints it.
func parse16(text []byte) (a [16]byte, ok bool) {
	at, gap := 0, len(a)
	for i, b := range text {
		switch {
		case b != ':':
			group := a[at : at+2]
			binary.BigEndian.PutUint16(group, binary.BigEndian.Uint16(group)<<4|uint16(hexValue(b)))
		case i > 0 && text[i-1] == ':':
			gap = at
		case i > 0:
			at = min(at+2, len(a)-2)
		}
	}
	if gap < len(a) {
		after := a
		clear(a[gap:])
		copy(a[len(a)-(at+2-gap):], after[gap:at+2])
	}
	var buf [64]byte // more than any takes
	return a, bytes.Equal(netip.AddrFrom16(a).AppendTo(buf[:0]), text)
}
