// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/input"
)

// concurrentFeed is a feed of more connections than fit into one batch, of which some are
// active at a time: the others end, and their numbers are used again.
type concurrentFeed struct {
	m        *crashingProcess
	time     sync.Mutex // held while m.time is used or changed
	random   *rand.Rand
	reported map[string]input.Flow
	life     int
}

const feedConnections = 3 * batch

// report reports some flows once more, or for the first time.
func (h *concurrentFeed) report() {
	h.time.Lock()
	defer h.time.Unlock()
	flows := make([]input.Flow, 0, 100)
	for range cap(flows) {
		n := (int(h.m.time.Unix())*10 + h.random.IntN(feedConnections/5)) % feedConnections
		uuid := fmt.Sprintf("%x", 1+n+feedConnections*h.life)
		f, ok := h.reported[uuid]
		if !ok {
			f = h.m.flow(uuid, 0, 0)
			f.Start = h.m.time.UnixMilli() + 1 // after the epoch
			f.TransportA = int64(n)
		}
		f.Metric.ABBytes += 1000
		f.LastUpdate = f.Metric
		f.LastUpdate.Last = h.m.time.UnixMilli() + 2
		f.LastUpdate.Start = f.LastUpdate.Last - 1000
		h.reported[uuid] = f
		flows = append(flows, f)
	}
	h.m.Update(flows)
}

// TestSnapshotsDuringUpdates lets the feed run beside ticks and snapshots, each
// in a goroutine of its own as in a bridge, kills that at a moment of chance, and
// holds the next life against what was reported.
func TestSnapshotsDuringUpdates(t *testing.T) {
	for seed := range uint64(3) {
		m := knownProcess(t, Config{ConnectionTimeout: 10 * time.Second})
		m.tick()
		h := &concurrentFeed{m: m, random: rand.New(rand.NewPCG(seed, 7)), reported: map[string]input.Flow{}}
		want := uint64(0)
		for ; h.life < 4; h.life++ {
			dies := h.random.IntN(400)
			m.dieAt(dies)
			stop := make(chan struct{})
			var feed sync.WaitGroup
			feed.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						h.report()
					}
				}
			})
			for alive := true; alive; {
				h.time.Lock()
				m.pass(2 * time.Second)
				h.time.Unlock()
				if alive = m.tickNow(); alive && dies%2 == 0 {
					m.save()
				}
			}
			close(stop)
			feed.Wait()
			m.crash(seed%2 == 0)
			m.begin()
			m.pass(time.Second)
			m.tickNow()
			m.Update(slices.Collect(maps.Values(h.reported)))
			m.tick()
			m.tick()
			for _, f := range h.reported {
				want += uint64(f.Metric.ABBytes)
			}
			if got := m.total("bytes"); got != want {
				t.Fatalf("seed %d, life %d: bytes in all: %d, want %d", seed, h.life, got, want)
			}
			clear(h.reported)
			for range 3 { // everything is evicted
				m.pass(20 * time.Minute)
				m.tick()
			}
		}
		m.crash(false)
	}
}
