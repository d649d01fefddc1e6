// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"sync"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive"
)

// updateRateSpan is the window of the rate of updates: agents report each flow once a minute
// by default, not all at once.
const updateRateSpan = time.Minute

// updateRates has the number of updates of each analyzer at the ticks of about the last minute.
type updateRates struct {
	mu     sync.Mutex
	counts []updateCounts // oldest first
}

type updateCounts struct {
	at      time.Time
	updates map[string]uint64 // by analyzer
}

// observe takes the number of updates at a tick.
func (p *updateRates) observe(now time.Time, analyzers []skydive.AnalyzerStatus) {
	b := updateCounts{now, map[string]uint64{}}
	for _, a := range analyzers {
		b.updates[a.Analyzer] = a.Updates
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts = append(p.counts, b)
	// Keep the youngest that is old enough, and those after it; ticks can be close, so
	// their number is bounded as well.
	drop := 0
	for drop < len(p.counts)-1 && (now.Sub(p.counts[drop+1].at) >= updateRateSpan || len(p.counts)-drop > maxUpdateCounts) {
		drop++
	}
	p.counts = append(p.counts[:0], p.counts[drop:]...)
}

// maxUpdateCounts is enough for a tick each second.
const maxUpdateCounts = 64

// rate returns how many updates a second an analyzer sent in the last minute or so.
func (p *updateRates) rate(now time.Time, a *skydive.AnalyzerStatus) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.counts {
		was, ok := b.updates[a.Analyzer]
		if past := now.Sub(b.at).Seconds(); ok && past > 0 && a.Updates >= was {
			return float64(a.Updates-was) / past
		}
	}
	return 0
}
