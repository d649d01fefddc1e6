// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
)

const (
	// HistoryTicks is how many ticks a history goes back: 15 minutes by default.
	HistoryTicks = 60
	// historyTop is how many of the fastest connections get a history at each tick,
	// and maxHistories how many have one: those that are no longer among the fastest
	// keep theirs for a while. All of them take 100 kB.
	historyTop   = 100
	maxHistories = 2 * historyTop
)

// history is the rates of the fastest connections, and of all together, at the
// latest ticks.
type history struct {
	source Source

	observing sync.Mutex // one observe at a time; guards rows
	rows      [scanRows]aggregator.TrafficRow

	mu    sync.Mutex
	at    []int64 // ms, the latest last
	total []float32
	of    map[string]*track // by label values
}

// track is the history of one connection. Its points end with the latest tick.
type track struct {
	points []float32
	top    int64 // the latest tick (ms) at which it was among the fastest
	now    float32
}

func newHistory(source Source) *history {
	return &history{source: source, of: map[string]*track{}}
}

// candidate is one of the fastest connections of a tick.
type candidate struct {
	values string
	rate   float32
}

// observe adds a tick. It looks at every connection, a few hundred at a time.
func (h *history) observe(now time.Time) {
	h.observing.Lock()
	defer h.observing.Unlock()
	total, top := float32(0), make([]candidate, 0, 2*historyTop)
	cursor, least := new(aggregator.ScrapeCursor), float32(0)
	for n := h.source.ScrapeTraffic(cursor, h.rows[:]); n > 0; n = h.source.ScrapeTraffic(cursor, h.rows[:]) {
		h.mu.Lock()
		for i := range h.rows[:n] {
			row := &h.rows[i]
			rate := row.Rate[0] + row.Rate[1]
			total += rate
			if rate == 0 {
				continue // as most are; the search for it takes longer than all the rest
			}
			if t := h.of[row.Values]; t != nil {
				t.now = rate
			}
			if rate <= least {
				continue
			}
			if top = append(top, candidate{row.Values, rate}); len(top) == cap(top) {
				top, least = fastest(top)
			}
		}
		h.mu.Unlock()
	}
	clear(h.rows[:])
	top, _ = fastest(top)
	h.turn(now.UnixMilli(), total, top)
}

// fastest keeps the fastest of some connections, and returns the least rate that
// another must pass to be among them.
func fastest(top []candidate) ([]candidate, float32) {
	slices.SortFunc(top, func(x, y candidate) int { return cmp.Compare(y.rate, x.rate) })
	if len(top) <= historyTop {
		return top, 0
	}
	return top[:historyTop], top[historyTop-1].rate
}

// turn takes up what a tick showed.
func (h *history) turn(at int64, total float32, top []candidate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.total = latest(h.at, at), latest(h.total, total)
	for _, c := range top {
		t := h.of[c.values]
		if t == nil {
			t = &track{now: c.rate}
			h.of[c.values] = t
		}
		t.top = at
	}
	oldest := h.at[0]
	for values, t := range h.of {
		if t.points, t.now = latest(t.points, t.now), 0; t.top < oldest {
			delete(h.of, values)
		}
	}
	if over := len(h.of) - maxHistories; over > 0 {
		h.drop(over)
	}
}

// drop forgets those that were among the fastest longest ago.
func (h *history) drop(over int) {
	oldest := slices.SortedFunc(maps.Keys(h.of), func(x, y string) int { return cmp.Compare(h.of[x].top, h.of[y].top) })
	for _, values := range oldest[:over] {
		delete(h.of, values)
	}
}

// latest appends to a history and keeps its latest points.
func latest[T any](points []T, p T) []T {
	if len(points) == HistoryTicks {
		copy(points, points[1:])
		points[HistoryTicks-1] = p
		return points
	}
	return append(points, p)
}

// times returns the times of the ticks in ms, and the rates of all connections
// together.
func (h *history) times() (at []int64, total []float32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.at), slices.Clone(h.total)
}

// points returns the rates of a connection at the latest ticks; nil: it has no
// history.
func (h *history) points(values string) []float32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.of[values]; t != nil {
		return slices.Clone(t.points)
	}
	return nil
}
