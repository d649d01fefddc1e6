// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"hash/maphash"
)

// symbolTable numbers the strings of a block in the order in which they come. It
// is open addressing over 8-byte entries, cleared from block to block, in place of
// a map: that took a tenth of a tick. The hash is seeded, for strings come from a
// feed that may be hostile, and a match of hashes is confirmed by the bytes, which
// lie in the encoded field already. The zero value must be reset first.
type symbolTable struct {
	// encoded is field 4 of the request. Its first symbol is the empty string (2.0
	// demands it), which is never looked up.
	encoded []byte
	seed    maphash.Seed
	entries []symbolEntry // a power of two of them, at most half in use
	spans   []span        // by reference, in encoded
}

// symbolEntry is a symbol under the low half of its hash; no reference: it is free.
type symbolEntry struct{ hash, ref uint32 }

type span struct{ from, to uint32 }

// fewestEntries is what a table begins with.
const fewestEntries = 256

// reset empties the table.
func (t *symbolTable) reset() {
	if t.entries == nil {
		t.seed, t.entries = maphash.MakeSeed(), make([]symbolEntry, fewestEntries)
	}
	t.encoded = append(t.encoded[:0], tagSymbols, 0)
	t.spans = append(t.spans[:0], span{2, 2})
	clear(t.entries)
}

// ref returns the reference of a string, which it adds where it is new.
func (t *symbolTable) ref(s string) uint32 {
	if s == "" {
		return 0
	}
	hash := uint32(maphash.String(t.seed, s))
	mask := uint32(len(t.entries) - 1)
	i := hash & mask
	for ; t.entries[i].ref != 0; i = (i + 1) & mask {
		if e := t.entries[i]; e.hash == hash {
			if at := t.spans[e.ref]; string(t.encoded[at.from:at.to]) == s {
				return e.ref
			}
		}
	}
	ref := uint32(len(t.spans))
	t.entries[i] = symbolEntry{hash, ref}
	t.encoded = binary.AppendUvarint(append(t.encoded, tagSymbols), uint64(len(s)))
	from := len(t.encoded)
	t.encoded = append(t.encoded, s...)
	t.spans = append(t.spans, span{uint32(from), uint32(len(t.encoded))})
	if 2*len(t.spans) > len(t.entries) {
		t.grow()
	}
	return ref
}

// grow makes room for twice as many symbols.
func (t *symbolTable) grow() {
	old := t.entries
	t.entries = make([]symbolEntry, 2*len(old))
	mask := uint32(len(t.entries) - 1)
	for _, e := range old {
		if e.ref == 0 {
			continue
		}
		i := e.hash & mask
		for t.entries[i].ref != 0 {
			i = (i + 1) & mask
		}
		t.entries[i] = e
	}
}
