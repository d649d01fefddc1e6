// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import "encoding/binary"

// snappyWriter writes a text in the snappy block format. It does not look for what
// repeats in the text, but is told: whoever writes knows it already. The text itself is
// nowhere, only its length so far. begin comes first, end last.
type snappyWriter struct {
	out []byte
	pos uint32 // length of the text so far
	// literal is where in out the literal under way begins with its tag; 0: none is.
	literal int
	// The copy under way is that of n bytes from back bytes before; n is 0: none is.
	back, n uint32
}

// The elements of the format, by the lowest bits of their tags.
const (
	snappyCopy1 = 1 // 4 to 11 bytes from less than 1<<11 bytes before
	snappyCopy2 = 2 // 1 to 64 bytes from less than 1<<16 bytes before
	snappyCopy4 = 3 // 1 to 64 bytes from less than 1<<32 bytes before

	// longestLiteral is the most that a literal holds whose length is in its tag.
	longestLiteral = 60
	longestCopy    = 64
)

// begin begins a text in the memory of buf.
func (w *snappyWriter) begin(buf []byte) {
	// The length comes first in the format, and last here.
	*w = snappyWriter{out: append(buf[:0], make([]byte, binary.MaxVarintLen32)...)}
}

// end returns the text, and the memory for the next one.
func (w *snappyWriter) end() (text, buf []byte) {
	w.flush()
	var length [binary.MaxVarintLen32]byte
	n := binary.PutUvarint(length[:], uint64(w.pos))
	text = w.out[len(length)-n:]
	copy(text, length[:n])
	return text, w.out
}

// write appends bytes.
func (w *snappyWriter) write(b []byte) {
	w.pos += uint32(len(b))
	for len(b) > 0 {
		w.open()
		n := min(len(b), longestLiteral+1-len(w.out)+w.literal)
		w.out = append(w.out, b[:n]...)
		w.out[w.literal] = byte(len(w.out)-w.literal-2) << 2
		b = b[n:]
	}
}

// writeWord appends the n lowest bytes of v, lowest first: 1 to 8.
func (w *snappyWriter) writeWord(v uint64, n int) {
	w.open()
	if len(w.out)-w.literal+n > longestLiteral+1 {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], v)
		w.write(b[:n])
		return
	}
	end := len(w.out) + n
	w.out = binary.LittleEndian.AppendUint64(w.out, v)[:end]
	w.out[w.literal] = byte(end-w.literal-2) << 2
	w.pos += uint32(n)
}

// open makes room in a literal.
func (w *snappyWriter) open() {
	if w.n > 0 {
		w.flush()
	}
	if w.literal == 0 || len(w.out)-w.literal > longestLiteral {
		w.literal = len(w.out)
		w.out = append(w.out, 0)
	}
}

// repeat appends n bytes that stand at src already.
func (w *snappyWriter) repeat(src, n uint32) {
	back := w.pos - src
	w.pos += n
	if w.n > 0 {
		if w.back == back {
			w.n += n
			return
		}
		w.flush()
	}
	w.back, w.n = back, n
}

// goesOn says whether the copy under way goes on with what stands at src.
func (w *snappyWriter) goesOn(src uint32) bool { return w.n > 0 && w.back == w.pos-src }

// flush writes the copy under way.
func (w *snappyWriter) flush() {
	n, back := w.n, w.back
	if n == 0 {
		return
	}
	w.n, w.literal = 0, 0
	if back >= 1<<16 {
		for ; n > 0; n -= min(n, longestCopy) {
			w.out = append(w.out, byte(min(n, longestCopy)-1)<<2|snappyCopy4, byte(back), byte(back>>8), byte(back>>16), byte(back>>24))
		}
		return
	}
	for ; n > longestCopy; n -= longestCopy {
		w.out = append(w.out, (longestCopy-1)<<2|snappyCopy2, byte(back), byte(back>>8))
	}
	if n >= 4 && n < 12 && back < 1<<11 {
		w.out = append(w.out, byte(back>>8)<<5|byte(n-4)<<2|snappyCopy1, byte(back))
		return
	}
	w.out = append(w.out, byte(n-1)<<2|snappyCopy2, byte(back), byte(back>>8))
}
