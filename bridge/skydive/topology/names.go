// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxAsked bounds the unknown keys that are remembered, twice over.
	maxAsked = 16 << 10
	// goneFor is how long a name outlives what it named: the last flows of what is
	// gone are reported at the next update, and end with flow.expire.
	goneFor = 10 * time.Minute
)

// names are what keys are called: as many as fit, those in use first. get and peek are
// safe for concurrent use, beside the goroutine that calls the rest.
type names[V any] struct {
	size             int
	evicted, unknown prometheus.Counter
	ask              func() // called at the sight of an unknown key; must not block

	known atomic.Pointer[map[string]*named[V]] // which does not change
	uses  atomic.Uint64                        // counts them

	mu sync.Mutex
	// Unknown keys that were asked for: of late, and before.
	asked, askedBefore map[string]struct{}
}

type named[V any] struct {
	value V
	seen  time.Time     // the latest refresh that had it
	used  atomic.Uint64 // the number of its latest use, 0: none
}

func newNames[V any](size int, evicted, unknown prometheus.Counter, ask func()) *names[V] {
	n := &names[V]{size: size, evicted: evicted, unknown: unknown, ask: ask}
	n.clear()
	return n
}

// clear forgets everything.
func (n *names[V]) clear() {
	n.known.Store(&map[string]*named[V]{})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked, n.askedBefore = map[string]struct{}{}, nil
}

// get returns what a key is called, and notes it where that is unknown.
func (n *names[V]) get(key []byte) (value V) {
	if e := (*n.known.Load())[string(key)]; e != nil {
		e.used.Store(n.uses.Add(1))
		return e.value
	}
	if len(key) == 0 || len(key) > maxNodeText {
		return value
	}
	n.mu.Lock()
	defer n.mu.Unlock()
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

// peek is get without effects: it neither asks nor counts as use.
func (n *names[V]) peek(key string) (value V) {
	if e := (*n.known.Load())[key]; e != nil {
		return e.value
	}
	return value
}

// refresh takes the names that there are now, as of the given time. What is
// missing in them keeps its name for a while.
func (n *names[V]) refresh(table map[string]V, now time.Time) {
	was, known := *n.known.Load(), make(map[string]*named[V], len(table))
	for key, value := range table {
		e := &named[V]{value: value, seen: now}
		if old := was[key]; old != nil {
			e.used.Store(old.used.Load())
		}
		known[key] = e
	}
	for key, e := range was {
		if known[key] == nil && now.Sub(e.seen) <= goneFor {
			known[key] = e
		}
	}
	n.answer(known)
	n.trim(known)
	n.known.Store(&known)
}

// answer removes from what was asked for what is known now: that is in use.
func (n *names[V]) answer(known map[string]*named[V]) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, asked := range []map[string]struct{}{n.asked, n.askedBefore} {
		for key := range asked {
			if e := known[key]; e != nil {
				e.used.Store(n.uses.Add(1))
				delete(asked, key)
			}
		}
	}
}

// trim removes those that were used longest ago, as many as there is no room for.
func (n *names[V]) trim(known map[string]*named[V]) {
	over := len(known) - n.size
	if over <= 0 {
		return
	}
	type use struct {
		key  string
		last uint64
	}
	all := make([]use, 0, len(known))
	for key, e := range known {
		all = append(all, use{key, e.used.Load()})
	}
	slices.SortFunc(all, func(x, y use) int { return cmp.Compare(x.last, y.last) })
	for _, u := range all[:over] {
		delete(known, u.key)
	}
	n.evicted.Add(float64(over))
}

func (n *names[V]) count() int { return len(*n.known.Load()) }
