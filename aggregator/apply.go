// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/skydive-project/skybridge/input"
)

// Apply applies an entry, the only way into an aggregator: its state and its samples are a
// function of the entries, in their order, and of nothing else. Whatever is read meanwhile
// waits for at most one entry, so batches of flows should not exceed 256.
//
// A tick is an exact cut: it has what came before its entry, and nothing else. It is completed
// by [Aggregator.Sample], during which other entries may be applied, but no tick, and before
// which no tick may be.
//
// An error says that an entry means nothing, and that nothing has changed.
func (a *Aggregator) Apply(e *input.Entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Kind == input.KindStart {
		a.clock.analyzers = nil // none is live until it is subscribed to
	}
	a.time = max(a.time, e.Time)
	feedNow := a.clock.now(a.time)
	switch e.Kind {
	case input.KindFlows:
		a.update(e.Flows, feedNow)
	case input.KindStats:
		a.report(e.Stats, feedNow)
	case input.KindAnalyzer:
		a.setAnalyzer(e.Analyzer, feedNow)
	case input.KindTick:
		a.beginTick(e.Tick, feedNow)
	case input.KindConfigure:
		return a.configure(e.Configuration)
	case input.KindStart:
		a.start(e.Start, feedNow)
	case input.KindEnd:
		a.endAll(e.Last)
	case input.KindNodeNames:
		a.names.SetNodes(e.NodeNames, e.Refresh)
	case input.KindAddressNames:
		a.names.SetAddresses(e.AddressNames, e.Refresh)
	case input.KindInterfaces:
		a.setInterfaces(e.Interfaces, e.Refresh)
	case input.KindCapturePackets:
		a.captures.setPackets(e.CapturePackets, e.Refresh)
	default:
		return fmt.Errorf("aggregator: entry of kind %d", e.Kind)
	}
	return nil
}

// configure applies a configuration. Baselines and counters continue. Where it
// [Aggregator.Renames] connections, all series must have ended; see [Aggregator.LeftToEnd].
func (a *Aggregator) configure(text []byte) error {
	cfg := Config{}
	if err := json.Unmarshal(text, &cfg); err != nil {
		return fmt.Errorf("aggregator: configuration: %w", err)
	}
	layout, err := cfg.Layout()
	if err != nil {
		return err
	}
	if !layout.Equal(a.connections.layout) {
		if !a.connections.clear() {
			return errors.New("aggregator: labels change while series have not ended")
		}
		a.connections = newConnections(layout)
		a.earliestZero = a.lastTick + 1
	}
	a.clock.grace = cfg.FlowRetention
	a.cfg = cfg
	a.ending = false
	a.filters = newFilters(cfg, a.metrics.filteredBytes)
	a.relabel()
	a.configureTop(cfg)
	a.scope = cfg.scope()
	return nil
}

// start begins the time of a process: all samples come after those of former ones.
func (a *Aggregator) start(s input.Start, feedNow time.Duration) {
	if a.conversationKey == (conversationKey{}) {
		a.conversationKey = s.Key
	}
	a.restartSteps(feedNow)
	a.lastTick = max(a.lastTick, s.At)
	if s.Sent >= 0 {
		if s.Sent < a.latest.at { // ticks that may have been sent are lost
			a.earliestZero = a.latest.at + 1
		}
		a.latest.at = s.Sent
	}
	a.ending = false
}

// setAnalyzer records how an analyzer stands.
func (a *Aggregator) setAnalyzer(s input.Analyzer, feedNow time.Duration) {
	if s.State == input.AnalyzerGone {
		a.clock.remove(string(s.Name), a.time)
		return
	}
	a.known.since = feedNow
	a.clock.set(string(s.Name), s.State == input.AnalyzerLive, a.time)
}

// update counts the flows of one message, in their order. None is: time passes.
func (a *Aggregator) update(flows []input.Flow, feedNow time.Duration) {
	a.markCarriers(flows, feedNow)
	for i := range flows {
		a.count(&flows[i], feedNow)
	}
	a.sweep(feedNow, cmp.Or(2*len(flows), sweptAtTick))
}

// report counts one message of a capture's statistics.
func (a *Aggregator) report(s input.CaptureStats, feedNow time.Duration) {
	if !a.captures.report(s, feedNow) {
		a.skip(skippedCaptures, "a capture's statistics do not count: its name is too long or there are too many", "limit", maxCaptures)
	}
}

// endAll ends every series; see [Aggregator.LeftToEnd].
func (a *Aggregator) endAll(last bool) {
	a.ending, a.left = last, a.captures.endAll()+a.interfaces.endAll()
	for i := range a.connections.records.size {
		if c := a.connections.records.at(i); c.used && c.phase != ended {
			c.ending = true
			a.left++
		}
	}
	a.interfaces.ending = a.left > 0
}

// LeftToEnd returns how many connections, captures and interfaces were to end at the latest
// entry of [input.KindEnd]. That is for a reload that renames series, and for the end of the
// process: the tick after it samples the last values, the one after that the stale markers. It
// is repeated, with a tick behind each one and no flows in between, until none is left:
// deferred traffic, or a counter that could not begin yet, needs another round.
func (a *Aggregator) LeftToEnd() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.left
}
