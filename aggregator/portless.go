// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"slices"
	"time"
)

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
	if a.isConnection(f) {
		return false
	}
	a.metrics.skipped[skipNoTransport].Inc()
	// End records repeat the update before them.
	if f.HasLastUpdate && f.FinishType != finishTimeout {
		update := counted(&f.LastUpdate)
		a.metrics.skippedBytes.Add(float64(update.totalBytes()))
	}
	return true
}

// isConnection says whether a flow has ports or, where those count, addresses without
// ports; its protocol is then the application.
func (a *Aggregator) isConnection(f *Flow) bool {
	if f.HasTransport {
		return true
	}
	if len(f.NetworkA)+len(f.NetworkB) > 0 {
		f.TransportProtocol = f.Application
		return a.cfg.Portless == PortlessCount
	}
	return false
}

// markCarriers notes which flows of a message carry others and do not count, before
// any of those that they carry: an analyzer sends them in any order.
func (a *Aggregator) markCarriers(flows []Flow, feedNow time.Duration) {
	a.leftOut = a.leftOut[:0]
	if a.cfg.Tunnels != TunnelsOuter {
		return
	}
	for i := range flows {
		f := &flows[i]
		if !f.Outer || malformed(f) != "" {
			continue
		}
		src := a.sources.get(f, feedNow)
		if src == nil {
			continue
		}
		// What is carried itself is dropped with all inside it where its carrier counts.
		isConnection := a.isConnection(f)
		leftOut := (!isConnection || a.filters.match(f) != nil) && (len(f.ParentUUID) == 0 || !a.carrierCounts(f, src))
		var p progress
		if leftOut && !isConnection { // it has a baseline for this alone
			a.advance(src, f, feedNow, onArrival, &p)
		} else {
			p.baseline, p.record = a.baselines.find(f, src)
		}
		switch {
		case p.record != nil:
			a.markCarrier(&p, leftOut)
		case leftOut:
			a.leftOut = append(a.leftOut, f)
		}
	}
}

// markCarrier notes whether a flow that carries others does not count.
func (a *Aggregator) markCarrier(p *progress, leftOut bool) {
	if p.record.from.is(isLeftOut) != leftOut {
		p.record.from.set(isLeftOut, leftOut)
		a.journal.conversation(p.baseline, p.record)
	}
}

// isLeftOut says whether a flow that has no baseline yet is such a carrier of the
// present message.
func (a *Aggregator) isLeftOut(uuid []byte, src *source) bool {
	return slices.ContainsFunc(a.leftOut, func(f *Flow) bool {
		return bytes.Equal(f.UUID, uuid) && string(f.CaptureID) == src.key.captureID
	})
}

// carrierCounts says whether the flow that carries f counts: one that is not known
// does.
func (a *Aggregator) carrierCounts(f *Flow, src *source) bool {
	_, parent := a.baselines.findUUID(f.ParentUUID, src)
	if parent == nil {
		return !a.isLeftOut(f.ParentUUID, src)
	}
	return !parent.from.is(isLeftOut)
}
