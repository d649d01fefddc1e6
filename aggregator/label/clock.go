// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

// Slot is an entry of a bounded table.
type Slot[V any] struct {
	Key   string
	Value V
	Used  bool // asked for since the last look for one to evict passed it
	Old   bool // not stated since a whole refresh of the topology began
}

// clock is a bounded table. Above the bound one that was not used recently is evicted, by the
// CLOCK algorithm of page caches. It is part of the aggregator's state. It is not safe for
// concurrent use.
type clock[V any] struct {
	byKey   map[string]int
	list    []Slot[V]
	hand    int    // where the next look for one to evict begins
	most    int    // 0: no bound
	evicted func() // called for each one that is evicted
}

func newClock[V any](most int, evicted func()) clock[V] {
	return clock[V]{byKey: map[string]int{}, most: most, evicted: evicted}
}

// Len is how many there are.
func (c *clock[V]) Len() int { return len(c.list) }

// State returns all, and the index of the one where the next look for one to evict begins.
// The slice must not be changed, and is valid until the next call of another method.
func (c *clock[V]) State() (all []Slot[V], hand int) { return c.list, c.hand }

// Restore replaces all by what State returned, and takes ownership of the slice. Not ok: it was
// not returned by that.
func (c *clock[V]) Restore(all []Slot[V], hand int) (ok bool) {
	c.list, c.hand = all, hand
	clear(c.byKey)
	for i := range all {
		c.byKey[all[i].Key] = i
	}
	return len(c.byKey) == len(all) && (c.most == 0 || len(all) <= c.most) && hand >= 0 && hand < max(1, len(all))
}

// use returns the entry of a key, which is in use; nil: there is none. It is valid until one
// is added or removed.
func (c *clock[V]) use(key []byte) *Slot[V] {
	i, ok := c.byKey[string(key)]
	if !ok {
		return nil
	}
	c.list[i].Used = true
	return &c.list[i]
}

// add adds what is not there yet.
func (c *clock[V]) add(key string, value V) {
	i := len(c.list)
	if c.most == 0 || i < c.most {
		c.list = append(c.list, Slot[V]{})
	} else {
		i = c.unused()
		c.hand = (i + 1) % len(c.list)
		delete(c.byKey, c.list[i].Key)
		c.evicted()
	}
	c.list[i], c.byKey[key] = Slot[V]{Key: key, Value: value}, i
}

// unused moves the hand to one that was not used since it passed it, and returns that one.
func (c *clock[V]) unused() int {
	for c.list[c.hand].Used {
		c.list[c.hand].Used = false
		c.hand = (c.hand + 1) % len(c.list)
	}
	return c.hand
}

// remove removes one; the last one takes its place.
func (c *clock[V]) remove(i int) {
	last := len(c.list) - 1
	delete(c.byKey, c.list[i].Key)
	if i < last {
		c.list[i] = c.list[last]
		c.byKey[c.list[i].Key] = i
	}
	c.list[last] = Slot[V]{}
	if c.list = c.list[:last]; c.hand >= last {
		c.hand = 0
	}
}

// bound changes the bound.
func (c *clock[V]) bound(most int) {
	for c.most = most; most > 0 && len(c.list) > most; c.evicted() {
		c.remove(c.unused())
	}
}
