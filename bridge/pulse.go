// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"sync"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive"
)

// pulseSpan is over how long the rate of updates is taken: agents report each flow
// once a minute by default, not all at once.
const pulseSpan = time.Minute

// pulse knows how many updates each analyzer had sent at the latest ticks, about
// a minute of them.
type pulse struct {
	mu    sync.Mutex
	beats []beat // oldest first
}

type beat struct {
	at      time.Time
	updates map[string]uint64 // by analyzer
}

// observe takes the number of updates at a tick.
func (p *pulse) observe(now time.Time, analyzers []skydive.AnalyzerStatus) {
	b := beat{now, map[string]uint64{}}
	for _, a := range analyzers {
		b.updates[a.Analyzer] = a.Updates
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beats = append(p.beats, b)
	// The first one is the youngest that is old enough; ticks can be as close as they
	// like, so there is a bound on their number as well.
	drop := 0
	for drop < len(p.beats)-1 && (now.Sub(p.beats[drop+1].at) >= pulseSpan || len(p.beats)-drop > maxBeats) {
		drop++
	}
	p.beats = append(p.beats[:0], p.beats[drop:]...)
}

// maxBeats is enough for a tick each second.
const maxBeats = 64

// rate returns how many updates a second an analyzer sent in the last minute or so.
func (p *pulse) rate(now time.Time, a *skydive.AnalyzerStatus) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.beats {
		was, ok := b.updates[a.Analyzer]
		if past := now.Sub(b.at).Seconds(); ok && past > 0 && a.Updates >= was {
			return float64(a.Updates-was) / past
		}
	}
	return 0
}
