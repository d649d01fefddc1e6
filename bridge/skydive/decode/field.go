// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

// A field is known by its place in the list of its object's fields, which are in
// the order in which Skydive writes them. So the next field is mostly one of the
// next in the list, and its key, as it is written, is compared instead of read:
// worth a sixth of the time of a message. Any other order is read as well.

// keys are the names of an object's fields as they are written, with quotes and colon.
type keys []string

func keysOf(names ...string) keys {
	list := make(keys, len(names))
	for i, name := range names {
		list[i] = `"` + name + `":`
	}
	return list
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
		if k := names[f]; len(b)-i >= len(k) && string(b[i:i+len(k)]) == k {
			if i += len(k); i < len(b) && b[i] <= ' ' {
				i = skipSpace(b, i)
			}
			return f, i
		}
	}
	name, i := readKey(b, i)
	if i < 0 {
		return unknown, i
	}
	for f, k := range names {
		if len(k) == len(name)+len(`"":`) && k[1:1+len(name)] == string(name) {
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
