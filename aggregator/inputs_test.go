// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/input"
)

// apply applies an entry at the world's time, after it was recorded.
func (w *world) apply(e input.Entry) error {
	w.applying.Lock()
	defer w.applying.Unlock()
	e.Time = w.time.UnixMilli()
	w.entry = e
	if w.record != nil {
		w.record(&w.entry)
	}
	return w.Apply(&w.entry)
}

// must is apply of an entry that is always right.
func (w *world) must(e input.Entry) {
	w.t.Helper()
	if err := w.apply(e); err != nil {
		w.t.Fatal(err)
	}
}

// start is the entry of a process that sends nothing.
func (w *world) start() {
	w.must(input.Entry{Kind: input.KindStart, Start: input.Start{Key: [16]byte{1}, At: w.time.UnixMilli(), Sent: -1}})
}

// Configure applies a configuration.
func (w *world) Configure(cfg Config) error {
	text, err := json.Marshal(cfg)
	if err != nil {
		return err
	}
	return w.apply(input.Entry{Kind: input.KindConfigure, Configuration: text})
}

// Update counts flows; none lets time pass.
func (w *world) Update(flows []input.Flow) {
	for part := range slices.Chunk(flows, batch) {
		w.must(input.Entry{Kind: input.KindFlows, Flows: part})
	}
	if len(flows) == 0 {
		w.must(input.Entry{Kind: input.KindFlows})
	}
}

// Stats counts a message of a capture's statistics.
func (w *world) Stats(s input.CaptureStats) {
	w.must(input.Entry{Kind: input.KindStats, Stats: s})
}

func (w *world) analyzer(name string, state input.AnalyzerState) {
	w.must(input.Entry{Kind: input.KindAnalyzer, Analyzer: input.Analyzer{Name: []byte(name), State: state}})
}

func (w *world) AnalyzerUp(name string)   { w.analyzer(name, input.AnalyzerLive) }
func (w *world) AnalyzerDown(name string) { w.analyzer(name, input.AnalyzerDown) }
func (w *world) AnalyzerGone(name string) { w.analyzer(name, input.AnalyzerGone) }

// Tick samples a tick.
func (w *world) Tick(at int64, interval time.Duration, emit Emitter) {
	w.must(input.Entry{Kind: input.KindTick, Tick: input.Tick{At: at, Interval: interval.Milliseconds(), Wall: w.time.UnixMilli()}})
	w.Sample(emit)
}

// EndAll ends every series, and returns how many are to end.
func (w *world) EndAll(last bool) int {
	w.must(input.Entry{Kind: input.KindEnd, Last: last})
	return w.LeftToEnd()
}

func (w *world) NodeNames(rows []input.NodeName, r input.Refresh) {
	w.must(input.Entry{Kind: input.KindNodeNames, NodeNames: rows, Refresh: r})
}

func (w *world) AddressNames(rows []input.AddressName, r input.Refresh) {
	w.must(input.Entry{Kind: input.KindAddressNames, AddressNames: rows, Refresh: r})
}

func (w *world) Interfaces(rows []input.Interface, r input.Refresh) {
	w.must(input.Entry{Kind: input.KindInterfaces, Interfaces: rows, Refresh: r})
}

func (w *world) CapturePackets(rows []input.CapturePackets, r input.Refresh) {
	w.must(input.Entry{Kind: input.KindCapturePackets, CapturePackets: rows, Refresh: r})
}
