// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "github.com/skydive-project/skybridge/disk"

// maxListeners bounds the known listeners, about 100 bytes each.
const maxListeners = 1 << 16

// listeners are addresses with ports on which connections were opened and answered. Above the
// bound one that was not used recently is evicted, by the CLOCK algorithm of page caches. They are durable, or long connections would have other labels after a restart.
type listeners struct {
	journal *journal
	byKey   map[string]int
	list    []listener
	hand    int
	evicted func() // called for each eviction
}

type listener struct {
	key  string
	used bool
}

func newListeners() *listeners {
	return &listeners{byKey: map[string]int{}, evicted: func() {}}
}

func (l *listeners) clear() {
	l.list, l.hand = nil, 0
	clear(l.byKey)
}

func (l *listeners) empty() bool { return len(l.list) == 0 }

// knows reports whether a connection was answered there before.
func (l *listeners) knows(key []byte) bool {
	i, ok := l.byKey[string(key)]
	if ok {
		l.list[i].used = true
	}
	return ok
}

// learn adds an address that answered.
func (l *listeners) learn(key []byte) {
	if l.knows(key) {
		return
	}
	if len(l.list) < maxListeners {
		l.byKey[string(key)] = len(l.list)
		l.list = append(l.list, listener{key: string(key)})
	} else {
		for l.list[l.hand].used {
			l.list[l.hand].used = false
			l.hand = (l.hand + 1) % maxListeners
		}
		delete(l.byKey, l.list[l.hand].key)
		l.list[l.hand] = listener{key: string(key)}
		l.byKey[string(key)] = l.hand
		l.hand = (l.hand + 1) % maxListeners
		l.evicted()
	}
	l.journal.listener(string(key))
}

// Kinds 35 and 36 of the state's records.
const (
	// kindPolicy follows kindLayout: how label values are made, see [policyOf].
	kindPolicy kind = 35
	// kindListener is an address that answered.
	kindListener kind = 36
)

func (j *journal) listener(key string) {
	if !j.idle() {
		j.frame = appendListener(j.frame, key)
	}
}

func appendListener(dst []byte, key string) []byte {
	return disk.AppendString(append(dst, byte(kindListener)), key)
}
