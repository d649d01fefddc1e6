// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/aggregator/sketch"
)

// sketchRatio is how many counters there are for connections in the overflow, for each one
// of top_k. With 4 K of them, a connection with more than a 4 K-th of the overflow's bytes is
// among them, and so are all of the K busiest that clearly differ from the next ones. A
// counter is about 60 bytes.
const sketchRatio = 4

// top gives the K busiest connections series of their own; the others are counted in the
// overflow.
//
// Bytes in a window are counted for each connection with series, and for the others in a
// [sketch.SpaceSaving]. The first tick after a window ranks both, as they were when it began, and the
// next one has a connection that certainly carried more than one of the K replace it. So memory
// grows with K only.
//
// The ranking decides only which connections have series: each byte is added to exactly one
// counter when it arrives.
type top struct {
	of     *connections
	k      int
	length time.Duration
	began  time.Duration // of the window, feed time
	begun  bool

	windows slab[uint64] // bytes in the window, by number of the connection
	others  *sketch.SpaceSaving
	// promised are connections that get series with their next traffic, sorted; what they
	// carried before stays in the overflow.
	promised []uint64

	ranking *ranking       // of the running tick; nil: none
	result  *rankingResult // of the tick before; nil: none
}

// configureTop applies a configuration to the ranking.
func (a *Aggregator) configureTop(cfg Config) {
	switch t := a.top; {
	case cfg.TopK == 0:
		a.top = nil
	case t == nil || t.of != a.connections:
		a.top = &top{of: a.connections, others: sketch.NewSpaceSaving(sketchRatio * cfg.TopK)}
		fallthrough
	default:
		a.top.k, a.top.length = cfg.TopK, cfg.TopKWindow
	}
}

// mayHaveSeries reports whether a further connection may be one of the K, of which own have
// series; fit is how many more the other bounds allow.
func (t *top) mayHaveSeries(own, fit int, id uint64) bool {
	if own >= t.k {
		return false
	}
	if _, ok := slices.BinarySearch(t.promised, id); ok {
		return true
	}
	return len(t.promised) < min(t.k-own, fit)
}

// admit makes connection i one of the K, with its bytes of the window so far.
func (t *top) admit(i uint32, id uint64) {
	if at, ok := slices.BinarySearch(t.promised, id); ok {
		t.promised = slices.Delete(t.promised, at, at+1)
	}
	t.windows.reach(i)
	*t.windows.at(i) = t.others.Take(id)
}

// add adds bytes of connection i.
func (t *top) add(i uint32, bytes uint64) {
	t.windows.reach(i)
	*t.windows.at(i) += bytes
}

// candidate is a connection that may lose its series.
type candidate struct {
	i      uint32
	values string
	bytes  uint64 // in the window
}

// ranking is a window that is over: what connections had carried when a tick began.
type ranking struct {
	own    []candidate
	others *sketch.SpaceSaving
	k, fit int // fit is how many more the other bounds allow
}

// rankingResult is in force from the next tick on.
type rankingResult struct {
	losers   []candidate
	promised []uint64
}

// beginRanking ends the window at a tick, if it is over.
func (a *Aggregator) beginRanking(feedNow time.Duration) {
	t := a.top
	if t == nil || !t.windowOver(feedNow) {
		return
	}
	t.ranking = &ranking{others: t.others, k: t.k, fit: a.freeConnections()}
	t.others, t.promised = sketch.NewSpaceSaving(sketchRatio*t.k), nil
}

// nominate takes the bytes of a connection, which a tick samples, for the ranking.
func (a *Aggregator) nominate(i uint32, c *connection) {
	t := a.top
	if t == nil || t.ranking == nil || c.overflow {
		return
	}
	t.windows.reach(i)
	w := t.windows.at(i)
	if c.phase != closing && !c.ending {
		t.ranking.own = append(t.ranking.own, candidate{i, c.values, *w})
	}
	*w = 0
}

// rank decides which connections without series replace those with the least bytes, once the
// tick has sampled all. The next tick does it.
func (a *Aggregator) rank() {
	a.mu.Lock()
	t := a.top
	if t == nil || t.ranking == nil {
		a.mu.Unlock()
		return
	}
	r := t.ranking
	t.ranking = nil
	a.mu.Unlock()

	challengers := r.others.Ranked()
	slices.SortFunc(r.own, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.bytes, y.bytes), cmp.Compare(x.i, y.i))
	})
	losers, winners := rankChanges(r.own, challengers, r.k, r.fit)
	result := &rankingResult{losers: r.own[:losers], promised: make([]uint64, winners)}
	for i, c := range challengers[:winners] {
		result.promised[i] = c.ID
	}
	slices.Sort(result.promised)
	a.mu.Lock()
	t.result = result
	a.mu.Unlock()
}

// applyRanking applies the result of a ranking.
func (a *Aggregator) applyRanking() {
	t := a.top
	if t == nil || t.result == nil {
		return
	}
	for _, c := range t.result.losers {
		a.demote(t, c)
	}
	t.promised, t.result = t.result.promised, nil
}

// windowOver reports whether a window is over, and then begins the next one. The first one
// begins with the first tick.
func (t *top) windowOver(feedNow time.Duration) bool {
	if t.begun && feedNow-t.began < t.length {
		return false
	}
	over := t.begun
	t.began, t.begun = feedNow, true
	return over
}

// rankChanges returns how many of own, from the first, lose their series, and how many of
// challengers, from the first, get some. own is sorted by bytes, the least first, challengers
// the most first; fit is how many more the other bounds allow.
//
// A challenger needs a quarter more bytes: so equals do not alternate, and one update more or
// less of the usual five in a window makes no difference.
func rankChanges(own []candidate, challengers []sketch.Counter, k, fit int) (losers, winners int) {
	losers = max(0, len(own)-k)
	free := max(0, min(k-len(own), fit))
	for _, c := range challengers {
		switch {
		case free > 0:
			free--
		case losers < len(own) && c.Surely() > own[losers].bytes+own[losers].bytes/4:
			losers++
		default:
			return losers, winners
		}
		if winners++; winners == k {
			break
		}
	}
	return losers, winners
}

// demote ends a connection's series. From now on the overflow counts its traffic.
func (a *Aggregator) demote(t *top, was candidate) {
	if a.connections != t.of {
		return
	}
	c := a.connections.records.at(was.i)
	if !c.used || c.values != was.values || c.phase == ended || c.phase == closing || c.ending {
		return // it ends anyway
	}
	a.connections.demote(was.i)
	a.demotions++
}
