// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

// Portless says what becomes of flows that have addresses but no ports: ICMP, ESP,
// GRE.
type Portless string

// What becomes of them.
const (
	PortlessSkip  Portless = "skip" // "" is the same
	PortlessCount Portless = "count"
)

// skipPortless says whether a flow without ports does not count, and counts what
// its record says came since the one before.
func (a *Aggregator) skipPortless(f *Flow, src *source) bool {
	if len(f.NetworkA)+len(f.NetworkB) > 0 {
		f.TransportProtocol = f.Application
		if a.cfg.Portless == PortlessCount {
			return false
		}
	}
	a.metrics.skipped[skipNoTransport].Inc()
	// End records repeat the update before them.
	if f.HasLastUpdate && f.FinishType != finishTimeout {
		update := counted(&f.LastUpdate)
		a.metrics.skippedBytes.Add(float64(update.totalBytes()))
	}
	return true
}

// markCarriers notes which flows of a message carry others without ports, before
// any of those that they carry: an analyzer sends them in any order.
func (a *Aggregator) markCarriers(flows []Flow, feedNow time.Duration) {
	if a.cfg.Tunnels != TunnelsOuter || a.cfg.Portless == PortlessCount {
		return
	}
	for i := range flows {
		f := &flows[i]
		if f.HasTransport || !f.Outer || malformed(f) != "" {
			continue
		}
		// What is carried itself is dropped with all inside it where its carrier counts.
		src := a.sources.get(f, feedNow)
		if src != nil && (len(f.ParentUUID) == 0 || !a.carrierCounts(f, src)) {
			var p progress
			if a.advance(src, f, feedNow, onArrival, &p) && p.record != nil {
				a.markPortless(&p)
			}
		}
	}
}

// markPortless notes that a flow has no ports: what it carries depends on whether
// such flows count.
func (a *Aggregator) markPortless(p *progress) {
	if !p.record.from.is(isPortless) {
		p.record.from.set(isPortless, true)
		a.journal.conversation(p.baseline, p.record)
	}
}

// carrierCounts says whether the flow that carries f counts: one that is not known
// does.
func (a *Aggregator) carrierCounts(f *Flow, src *source) bool {
	if a.cfg.Portless == PortlessCount {
		return true
	}
	_, parent := a.baselines.findUUID(f.ParentUUID, src)
	return parent == nil || !parent.from.is(isPortless)
}
