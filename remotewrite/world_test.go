// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

const tuples = 4

// tuple is the model of one tuple: a counter of bytes and a gauge.
type tuple struct {
	live         bool
	start, ended int64
	value        float64
	generation   int
}

// given is one sample as it was appended.
type given struct {
	bits       uint64
	generation int
}

// finished is a counter's life that has ended.
type finished struct {
	at         int64
	value      float64
	generation int
}

// endedAfter is the life that was the next to end after a time.
func (w *world) endedAfter(key string, at int64) finished {
	for _, f := range w.finals[key] {
		if f.at > at {
			return f
		}
	}
	return finished{generation: -1}
}

// world runs a plan and keeps what was given to the log.
type world struct {
	rig      *rig
	rec      *receiver.Receiver
	down     atomic.Value // string
	tuples   [tuples]tuple
	appended map[string]map[int64]given // by series and time
	// finals is what each life of a counter had counted at its end, and when its
	// stale marker was appended.
	finals  map[string][]finished
	samples int
	// endless: counters end without a final value, so nothing is left of a tick that
	// does not fit the log, and nothing is condensed.
	endless bool
	before  int64 // time of the last tick
	// uncertain is how many samples a crash may have taken, of ticks that were not
	// on disk; restarts is how often the process was reset.
	uncertain, restarts int
}

func (w *world) key(i int) string {
	return receiver.Key(bytesMetric.Name, map[string]string{"tuple": fmt.Sprint(i)})
}

func (w *world) gaugeKey(i int) string {
	return receiver.Key(rttMetric.Name, map[string]string{"tuple": fmt.Sprint(i)})
}

func (w *world) give(key string, at int64, bits uint64, generation int) {
	if w.appended[key] == nil {
		w.appended[key] = make(map[int64]given)
	}
	w.appended[key][at] = given{bits, generation}
	w.samples++
}

// tick samples every tuple as the aggregator does.
func (w *world) tick(p plannedTick) {
	at := time.Now().UnixMilli()
	t := w.rig.log.Begin(at)
	for i := range w.tuples {
		m := &w.tuples[i]
		t.Labels([]wire.Label{{Name: "tuple", Value: fmt.Sprint(i)}})
		act := p.tuples[i]
		switch {
		case !m.live && (act == rest || act == end):
		case !m.live:
			start := max(w.before, at-pushInterval.Milliseconds(), m.ended+1)
			if start >= at {
				continue // its stale marker has only just gone out
			}
			m.live, m.start, m.value = true, start, 0
			m.generation++
			t.Zero(bytesMetric, start)
			w.give(w.key(i), start, 0, m.generation)
			fallthrough
		case act == grow || act == rest:
			if act != rest {
				m.value += float64(1 + (i+int(at/1000))%97)
			}
			t.Value(bytesMetric, m.start, m.value)
			t.Value(rttMetric, 0, float64(at))
			w.give(w.key(i), at, math.Float64bits(m.value), m.generation)
			w.give(w.gaugeKey(i), at, math.Float64bits(float64(at)), m.generation)
		default:
			if w.endless {
				t.Stale(bytesMetric)
			} else {
				t.End(bytesMetric, m.start, m.value)
			}
			t.Stale(rttMetric)
			w.give(w.key(i), at, wire.StaleMarker, m.generation)
			if w.finals == nil {
				w.finals = make(map[string][]finished)
			}
			w.finals[w.key(i)] = append(w.finals[w.key(i)], finished{at, m.value, m.generation})
			w.give(w.gaugeKey(i), at, wire.StaleMarker, m.generation)
			m.live, m.ended = false, at
		}
	}
	w.before = at
	w.rig.append(t)
}
