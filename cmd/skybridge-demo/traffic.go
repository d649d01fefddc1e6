// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"container/heap"
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

const (
	// messageFlows and messagePeriod are the bounds of an analyzer's message
	// (skydive-feed.md, 'Messages').
	messageFlows  = 100
	messagePeriod = 5 * time.Second
	statsPeriod   = 10 * time.Second

	// messageDelay sets messages off against the agents' updates; 1.5 s is what
	// the recordings show.
	messageDelay = 1500 * time.Millisecond

	// lostEnds is the share of end records that agents send and analyzers never
	// get: their hop is UDP.
	lostEnds = 0.35
)

// trafficOptions shape the made-up network.
type trafficOptions struct {
	Seed   uint64
	Update time.Duration // flow.update of its agents
	Expire time.Duration // flow.expire of its agents
}

// message is what an analyzer sends at one time: flows, or a capture's stats.
type message struct {
	At    time.Time
	Flows []analyzer.Flow
	Stats *analyzer.Stats
}

// world is a small made-up network with two nodes, each captured once, and the
// analyzer's side of what their agents make of it. It lives on a clock of its
// own: equal options, start and steps give equal messages. It is not safe for
// concurrent use.
type world struct {
	options trafficOptions
	rng     *rand.Rand
	start   int64 // ms
	now     int64 // ms
	events  events
	counter uint64 // events so far: breaks ties, so that runs repeat

	tables [sites]*flowTable
	ports  map[string]uint16 // last ephemeral port by host

	pending []analyzer.Flow // at the analyzer, for its next message
	out     []message
}

func newWorld(options trafficOptions, start time.Time) *world {
	w := &world{
		options: options,
		rng:     rand.New(rand.NewPCG(options.Seed, 0x736b79)),
		start:   start.UnixMilli(),
		now:     start.UnixMilli(),
		ports:   map[string]uint16{},
	}
	for site := range w.tables {
		// The second agent's clock is a little ahead, as clocks are, and it does
		// not report at the same moment as the first.
		table := newFlowTable(w.uuid(), w.uuid(), w.start, int64(site)*137)
		w.tables[site] = table
		w.after(time.Duration(site)*3700*time.Millisecond, func() { w.capture(table) })
	}
	w.after(messageDelay, func() { w.every(messagePeriod, w.flush) })
	w.populate()
	return w
}

// capture has an agent report its table from now on.
func (w *world) capture(table *flowTable) {
	w.every(w.options.Update, func() {
		if w.rng.IntN(20) == 0 { // a moment of too much at once
			table.dropped += w.rng.Int64N(40)
		}
		w.arrive(table.update(w.now))
	})
	w.every(w.options.Expire, func() { w.arrive(table.expire(w.now)) })
	w.every(time.Second, table.read)
	w.every(statsPeriod, func() {
		stats := table.stats()
		w.out = append(w.out, message{At: time.UnixMilli(w.now), Stats: &stats})
	})
}

// Advance lets time pass and returns what the analyzer sent meanwhile, in order.
func (w *world) Advance(to time.Time) []message {
	end := to.UnixMilli()
	for len(w.events) > 0 && w.events[0].at <= end {
		next := heap.Pop(&w.events).(event)
		w.now = max(w.now, next.at)
		next.do()
	}
	w.now = max(w.now, end)
	out := w.out
	w.out = nil
	return out
}

// arrive takes records from an agent to the analyzer, less what gets lost.
func (w *world) arrive(flows []analyzer.Flow) {
	for _, f := range flows {
		if f.FinishType == finishTimeout && w.rng.Float64() < lostEnds {
			continue
		}
		w.pending = append(w.pending, f)
		if len(w.pending) == messageFlows {
			w.flush()
		}
	}
}

func (w *world) flush() {
	if len(w.pending) == 0 {
		return
	}
	w.out = append(w.out, message{At: time.UnixMilli(w.now), Flows: w.pending})
	w.pending = nil
}

// pass shows a burst to the captures of its two ends.
func (w *world) pass(b burst) {
	from := site(b.from.addr)
	to := from
	if !b.to.addr.IsMulticast() {
		to = site(b.to.addr)
	}
	w.tables[from].see(b, w.now)
	if to != from {
		w.tables[to].see(b, w.now)
	}
}

// after calls do once, a while from now; every does so again and again.
func (w *world) after(wait time.Duration, do func()) {
	w.counter++
	heap.Push(&w.events, event{at: w.now + max(wait.Milliseconds(), 1), order: w.counter, do: do})
}

func (w *world) every(period time.Duration, do func()) {
	w.after(period, func() {
		do()
		w.every(period, do)
	})
}

// uuid makes up an identifier in the form of Skydive's node and capture ids.
func (w *world) uuid() string {
	const digits = "0123456789abcdef"
	id := []byte("xxxxxxxx-xxxx-5xxx-axxx-xxxxxxxxxxxx")
	for i, c := range id {
		if c == 'x' {
			id[i] = digits[w.rng.IntN(16)]
		}
	}
	return string(id)
}

type event struct {
	at    int64 // ms
	order uint64
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// sender is the analyzer that a world's messages go out through.
type sender interface {
	SendFlows([]analyzer.Flow)
	SendStats(analyzer.Stats)
	SetTopology(nodes, edges []json.RawMessage)
}

// play lets the world live in real time until ctx is done.
func play(ctx context.Context, w *world, to sender) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, m := range w.Advance(now) {
				if m.Stats != nil {
					to.SetTopology(w.topology(), nil)
					to.SendStats(*m.Stats)
				} else {
					to.SendFlows(m.Flows)
				}
			}
		}
	}
}
