// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import "encoding/binary"

// A field is known by its place in the list of its object's fields, which are in
// the order in which Skydive writes them. So the next field is mostly one of the
// next in the list, and its key, as it is written, is compared instead of read:
// worth a sixth of the time of a message. Any other order is read as well.

// keys are the names of an object's fields.
type keys []key

// readKey is a name as it is written, with quotes and colon, and the same as words.
type key struct {
	text string
	// A word of eight bytes at a time; of the last one only the bits of mask count.
	words [3]uint64
	mask  uint64
}

// keysOf returns the keys of fields. Their names have at most 21 bytes.
func keysOf(names ...string) keys {
	list := make(keys, len(names))
	for i, name := range names {
		k := &list[i]
		k.text = `"` + name + `":`
		for at := 0; at < len(k.text); at++ {
			k.words[at/8] |= uint64(k.text[at]) << (at % 8 * 8)
		}
		k.mask = ^uint64(0) >> ((8 - len(k.text)%8) % 8 * 8)
	}
	return list
}

// at says whether the key stands at i.
func (k *key) at(b []byte, i int) bool {
	if i+24 > len(b) {
		return len(b)-i >= len(k.text) && string(b[i:i+len(k.text)]) == k.text
	}
	w := b[i : i+24]
	switch {
	case len(k.text) <= 8:
		return (binary.LittleEndian.Uint64(w)^k.words[0])&k.mask == 0
	case len(k.text) <= 16:
		return binary.LittleEndian.Uint64(w) == k.words[0] && (binary.LittleEndian.Uint64(w[8:])^k.words[1])&k.mask == 0
	default:
		return binary.LittleEndian.Uint64(w) == k.words[0] && binary.LittleEndian.Uint64(w[8:]) == k.words[1] &&
			(binary.LittleEndian.Uint64(w[16:])^k.words[2])&k.mask == 0
	}
}

// unknown is a field that is not in the list.
const unknown = -1

// omitted is how many fields in a row may be absent for the one after them to be
// found at once.
const omitted = 3

// readField reads the key at i and its colon; the position is that of the value. after
// is the field before it, unknown for the first.
func readField(b []byte, i int, names keys, after int) (field, pos int) {
	for f := after + 1; f < min(after+2+omitted, len(names)); f++ {
		if k := &names[f]; k.at(b, i) {
			if i += len(k.text); i < len(b) && b[i] <= ' ' {
				i = skipSpace(b, i)
			}
			return f, i
		}
	}
	name, i := readKey(b, i)
	if i < 0 {
		return unknown, i
	}
	for f := range names {
		if k := &names[f]; len(k.text) == len(name)+len(`"":`) && k.text[1:1+len(name)] == string(name) {
			return f, i
		}
	}
	return unknown, i
}

// faults is the set of fields of an object whose last value is unusable. A set
// and not the first error, for a field that repeats can become right again.
type faults uint32

func (f faults) with(bit faults, ok bool) faults {
	if ok {
		return f &^ bit
	}
	return f | bit
}

// begins says whether an object begins at i. Where another value stands there, the
// position is the one after it; unless it is null, all fields are unusable.
func begins(b []byte, i, depth int) (object bool, bad faults, pos int) {
	if i < len(b) && b[i] == '{' {
		return true, 0, i
	}
	if i >= len(b) || b[i] != 'n' {
		bad = ^bad
	}
	return false, bad, skip(b, i, depth)
}

// readNumbers reads the object at i, of whose fields those in the list are whole
// numbers, into to, in the order of the list; what is unusable or absent is 0.
func readNumbers(b []byte, i, depth int, names keys, to []int64) (object bool, bad faults, pos int) {
	clear(to)
	if object, bad, i = begins(b, i, depth); !object {
		return false, bad, i
	}
	i, more := open(b, i, '}')
	for field := unknown; more; {
		if field, i = readField(b, i, names, field); i < 0 {
			return true, bad, i
		}
		if field == unknown {
			i = skip(b, i, depth+1)
		} else {
			var ok bool
			if to[field], i, ok = readNumber(b, i, depth+1); !ok {
				to[field] = 0
			}
			bad = bad.with(1<<field, ok)
		}
		i, more = next(b, i, '}')
	}
	return true, bad, i
}
