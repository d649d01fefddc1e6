// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

// maxListeners bounds the known listeners, about 100 bytes each.
const maxListeners = 1 << 16

// Listeners are addresses with ports on which connections were opened and answered. Above the
// bound one that was not used recently is evicted, by the CLOCK algorithm of page caches. The
// aggregator keeps them in its state, or long connections would have other labels after a
// restart. They are not safe for concurrent use.
type Listeners struct {
	byKey   map[string]int
	list    []Listener
	hand    int
	learned func(key string)
	evicted func()
}

// Listener is one of the [Listeners].
type Listener struct {
	Key  string // an address, a port and a protocol
	Used bool   // asked for since the last look for one to evict passed it
}

// NewListeners returns none yet. learned is called for each one that is added, by
// [Listeners.Learn] or by a flow, and evicted for each one that is removed for another.
func NewListeners(learned func(key string), evicted func()) *Listeners {
	return &Listeners{byKey: map[string]int{}, learned: learned, evicted: evicted}
}

// Len is how many there are.
func (l *Listeners) Len() int { return len(l.list) }

// State returns all, and the index of the one where the next look for one to evict begins.
// The slice must not be changed, and is valid until the next call of another method.
func (l *Listeners) State() (all []Listener, hand int) { return l.list, l.hand }

// Restore replaces all by what [Listeners.State] returned, and takes ownership of the slice.
func (l *Listeners) Restore(all []Listener, hand int) {
	l.list, l.hand = all, hand
	clear(l.byKey)
	for i := range all {
		l.byKey[all[i].Key] = i
	}
}

// knows reports whether a connection was answered there before.
func (l *Listeners) knows(key []byte) bool {
	i, ok := l.byKey[string(key)]
	if ok {
		l.list[i].Used = true
	}
	return ok
}

// Learn adds an address that answered.
func (l *Listeners) Learn(key []byte) {
	if l.knows(key) {
		return
	}
	if len(l.list) < maxListeners {
		l.byKey[string(key)] = len(l.list)
		l.list = append(l.list, Listener{Key: string(key)})
	} else {
		for l.list[l.hand].Used {
			l.list[l.hand].Used = false
			l.hand = (l.hand + 1) % maxListeners
		}
		delete(l.byKey, l.list[l.hand].Key)
		l.list[l.hand] = Listener{Key: string(key)}
		l.byKey[string(key)] = l.hand
		l.hand = (l.hand + 1) % maxListeners
		l.evicted()
	}
	l.learned(string(key))
}
