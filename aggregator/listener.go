// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "github.com/skydive-project/skybridge/disk"

// maxListeners bounds how many addresses with a port are remembered as ones that
// somebody answered on, at about 100 bytes each.
const maxListeners = 1 << 16

// listeners remembers the addresses with ports on which connections were opened
// and answered. Where there are too many, one goes that was not asked for since
// the last time that the hand came by (the second chance of page caches). It
// outlives the process, or connections whose opening nobody sees again would be
// called otherwise after a restart.
type listeners struct {
	journal   *journal
	byKey     map[string]int
	list      []listener
	hand      int
	forgotten func() // called for each that had to go
}

type listener struct {
	key   string
	asked bool
}

func newListeners() *listeners {
	return &listeners{byKey: map[string]int{}, forgotten: func() {}}
}

func (l *listeners) clear() {
	l.list, l.hand = nil, 0
	clear(l.byKey)
}

func (l *listeners) empty() bool { return len(l.list) == 0 }

// knows says whether somebody answered there before.
func (l *listeners) knows(key []byte) bool {
	i, ok := l.byKey[string(key)]
	if ok {
		l.list[i].asked = true
	}
	return ok
}

// learn takes note of somebody who answered.
func (l *listeners) learn(key []byte) {
	if l.knows(key) {
		return
	}
	if len(l.list) < maxListeners {
		l.byKey[string(key)] = len(l.list)
		l.list = append(l.list, listener{key: string(key)})
	} else {
		for l.list[l.hand].asked {
			l.list[l.hand].asked = false
			l.hand = (l.hand + 1) % maxListeners
		}
		delete(l.byKey, l.list[l.hand].key)
		l.list[l.hand] = listener{key: string(key)}
		l.byKey[string(key)] = l.hand
		l.hand = (l.hand + 1) % maxListeners
		l.forgotten()
	}
	l.journal.listener(string(key))
}

// Kinds 35 and 36 of the state's records.
const (
	// kindPolicy follows kindLayout: how label values are made, see [policyOf].
	kindPolicy kind = 35
	// kindListener is somebody who answered.
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
