// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxAsked bounds the unknown keys that are remembered, twice over.
	maxAsked = 16 << 10
	// namesBatch is how many names are refreshed in one go: about 50 µs, for the
	// aggregator waits meanwhile.
	namesBatch = 256
	// goneFor is how long a name outlives what it named: the last flows of what is
	// gone are reported at the next update, and end with flow.expire.
	goneFor = 10 * time.Minute
)

// names are what keys are called: as many as fit, those in use first. It is safe
// for concurrent use, and no call waits for longer than a map needs.
type names[V any] struct {
	evicted, unknown prometheus.Counter
	ask              func() // called at the sight of an unknown key; must not block

	mu        sync.Mutex
	size      int
	known     map[string]*named[V]
	ring      named[V] // next is the one used latest, prev the one unused longest
	refreshed time.Time
	// Unknown keys that were asked for: of late, and before.
	asked, askedBefore map[string]struct{}
}

type named[V any] struct {
	key        string
	value      V
	seen       time.Time // the latest refresh that had it
	next, prev *named[V]
}

func newNames[V any](size int, evicted, unknown prometheus.Counter, ask func()) *names[V] {
	n := &names[V]{size: size, evicted: evicted, unknown: unknown, ask: ask}
	n.clear()
	return n
}

// clear forgets everything.
func (n *names[V]) clear() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known, n.asked, n.askedBefore = map[string]*named[V]{}, map[string]struct{}{}, nil
	n.ring.next, n.ring.prev = &n.ring, &n.ring
}

// get returns what a key is called, and notes it where that is unknown.
func (n *names[V]) get(key []byte) (value V) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := n.known[string(key)]; e != nil {
		if n.refreshed.Sub(e.seen) <= goneFor {
			n.unlink(e)
			n.link(e, &n.ring)
			return e.value
		}
		n.unlink(e)
		delete(n.known, e.key)
	}
	if len(key) == 0 || len(key) > maxNodeText {
		return value
	}
	if _, ok := n.asked[string(key)]; ok {
		return value
	}
	if _, ok := n.askedBefore[string(key)]; ok {
		return value
	}
	if len(n.asked) >= maxAsked {
		n.asked, n.askedBefore = map[string]struct{}{}, n.asked
	}
	n.asked[string(key)] = struct{}{}
	n.unknown.Inc()
	n.ask()
	return value
}

// peek is get for who only looks: it neither asks nor counts as use.
func (n *names[V]) peek(key string) (value V) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := n.known[key]; e != nil && n.refreshed.Sub(e.seen) <= goneFor {
		return e.value
	}
	return value
}

// refresh takes the names that there are now, as of the given time. What is
// missing in them keeps its name for a while.
func (n *names[V]) refresh(table map[string]V, now time.Time) {
	n.mu.Lock()
	n.refreshed = now
	n.mu.Unlock()
	batch := make([]string, 0, namesBatch)
	for key := range table {
		if batch = append(batch, key); len(batch) == namesBatch {
			n.take(batch, table, now)
			batch = batch[:0]
		}
	}
	n.take(batch, table, now)
}

func (n *names[V]) take(batch []string, table map[string]V, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, key := range batch {
		if e := n.known[key]; e != nil {
			e.value, e.seen = table[key], now
			continue
		}
		_, wanted := n.asked[key]
		_, before := n.askedBefore[key]
		e := &named[V]{key: key, value: table[key], seen: now}
		switch coldest := n.ring.prev; {
		case wanted || before:
			delete(n.asked, key)
			delete(n.askedBefore, key)
			n.link(e, &n.ring)
		case len(n.known) < n.size:
			n.link(e, &n.ring)
		case coldest != &n.ring && now.Sub(coldest.seen) > goneFor: // it is gone
			n.unlink(coldest)
			delete(n.known, coldest.key)
			n.link(e, &n.ring)
		default:
			n.evicted.Inc() // not even begun
			continue
		}
		n.known[key] = e
		n.trim()
	}
}

// resize changes how many names are kept.
func (n *names[V]) resize(size int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.size = size
	n.trim()
}

// trim evicts those unused longest.
func (n *names[V]) trim() {
	for len(n.known) > n.size {
		e := n.ring.prev
		n.unlink(e)
		delete(n.known, e.key)
		n.evicted.Inc()
	}
}

func (n *names[V]) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.known)
}

// link puts e behind another.
func (n *names[V]) link(e, behind *named[V]) {
	e.prev, e.next = behind, behind.next
	behind.next.prev, behind.next = e, e
}

func (n *names[V]) unlink(e *named[V]) {
	e.prev.next, e.next.prev = e.next, e.prev
}
