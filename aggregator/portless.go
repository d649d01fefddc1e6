// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/input"
)

// Portless says whether flows that have addresses but no ports count: ICMP, ESP, GRE.
type Portless string

// The values of [Portless].
const (
	PortlessSkip  Portless = "skip" // "" is the same
	PortlessCount Portless = "count"
)

// skipPortless reports whether a flow without ports does not count, and counts its last
// update as skipped.
func (a *Aggregator) skipPortless(f *input.Flow, from *origin) bool {
	if a.isConnection(f) {
		return false
	}
	a.metrics.skipped[skippedNoTransport].Inc()
	// End records repeat the update before them.
	if f.HasLastUpdate && f.FinishType != finishTimeout {
		update := counted(&f.LastUpdate)
		a.metrics.skippedBytes.Add(float64(update.totalBytes()))
	}
	return true
}

// isConnection reports whether a flow has ports or, with PortlessCount, addresses; its
// protocol is then the application.
func (a *Aggregator) isConnection(f *input.Flow) bool {
	if f.HasTransport {
		return true
	}
	if len(f.NetworkA)+len(f.NetworkB) > 0 {
		f.TransportProtocol = f.Application
		return a.cfg.Portless == PortlessCount
	}
	return false
}

// markCarriers marks the flows of a message that carry others and do not count, before those
// that they carry are counted: an analyzer sends them in any order.
func (a *Aggregator) markCarriers(flows []input.Flow, feedNow time.Duration) {
	a.leftOut = a.leftOut[:0]
	if a.cfg.Tunnels != TunnelsOuter {
		return
	}
	for i := range flows {
		f := &flows[i]
		if !f.Outer || malformed(f) != "" {
			continue
		}
		from := a.origins.get(f, feedNow)
		if from == nil {
			continue
		}
		// A flow whose own carrier counts does not count, nor does what it carries.
		isConnection := a.isConnection(f)
		leftOut := (!isConnection || a.filters.match(f) != nil) && (len(f.ParentUUID) == 0 || !a.carrierCounts(f, from))
		var p progress
		if leftOut && !isConnection { // it has a baseline only for this mark
			a.advance(from, f, feedNow, onArrival, &p)
		} else {
			p.baseline, p.record = a.baselines.find(f.UUID, from)
		}
		switch {
		case p.record != nil:
			a.markCarrier(&p, leftOut)
		case leftOut:
			a.leftOut = append(a.leftOut, f)
		}
	}
}

// markCarrier marks whether a flow that carries others does not count.
func (a *Aggregator) markCarrier(p *progress, leftOut bool) {
	if p.record.flags.is(isLeftOut) != leftOut {
		p.record.flags.set(isLeftOut, leftOut)
	}
}

// isLeftOut reports whether a flow without a baseline is such a carrier of this message.
func (a *Aggregator) isLeftOut(uuid []byte, from *origin) bool {
	return slices.ContainsFunc(a.leftOut, func(f *input.Flow) bool {
		return bytes.Equal(f.UUID, uuid) && string(f.CaptureID) == from.key.captureID
	})
}

// carrierCounts reports whether the flow that carries f counts; an unknown one does.
func (a *Aggregator) carrierCounts(f *input.Flow, from *origin) bool {
	_, parent := a.baselines.find(f.ParentUUID, from)
	if parent == nil {
		return !a.isLeftOut(f.ParentUUID, from)
	}
	return !parent.flags.is(isLeftOut)
}
