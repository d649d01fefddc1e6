// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

// maxListeners bounds the known listeners, about 100 bytes each.
const maxListeners = 1 << 16

// Listeners are addresses with ports on which connections were opened and answered. The
// aggregator keeps them in its state, or long connections would have other labels after a
// restart. They are not safe for concurrent use.
type Listeners struct{ clock[struct{}] }

// Listener is one of the [Listeners]. Its key is an address, a port and a protocol.
type Listener = Slot[struct{}]

// NewListeners returns none yet. evicted is called for each one that is removed for another.
func NewListeners(evicted func()) *Listeners {
	return &Listeners{newClock[struct{}](maxListeners, evicted)}
}

// knows reports whether a connection was answered there before.
func (l *Listeners) knows(key []byte) bool { return l.use(key) != nil }

// Learn adds an address that answered.
func (l *Listeners) Learn(key []byte) {
	if !l.knows(key) {
		l.add(string(key), struct{}{})
	}
}
