// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package replica keeps an aggregator together with the log of its inputs. Each input gets its
// time and its place in the order, is appended to the log, and is applied. From time to time the
// state of the aggregator is written to a snapshot, and the log lets go of what is in it: a
// process that starts restores the snapshot and applies the entries since, by the same code as
// all others. How it is on disk is in docs/reference/files.md.
package replica

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/input"
)

// batch is how many flows an entry has at most: what reads the aggregator waits for an entry.
const batch = 256

// Replica is an aggregator and the log of its inputs. It is safe for concurrent use, but for
// Open, which comes first, and Close, which comes last.
type Replica struct {
	sequencer
	store *store // nil: nothing is durable

	// hold keeps flows out while a reload ends every series; see [Replica.Hold].
	hold sync.RWMutex
}

// Configuration is what the entries of a replica apply: that of the aggregator, and what its
// owner wants to find beside it when a tick is made once more.
type Configuration struct {
	aggregator.Config
	Extra json.RawMessage
}

// New returns a replica of an aggregator that has no flows, whose entries are kept nowhere
// until [Replica.Open].
func New(a *aggregator.Aggregator, clock Clock, reg prometheus.Registerer, logger *slog.Logger) *Replica {
	r := &Replica{sequencer: sequencer{
		aggregator: a, clock: clock, logger: logger, began: clock.Passing(), base: clock.Wall().UnixMilli(), next: 1,
	}}
	r.metrics = newMetrics(reg, r.StateBytes)
	return r
}

// Start begins the time of this process, with a configuration that gives series the names that
// they have. Without [Replica.Open] before it, nothing is durable. Inputs come after it.
func (r *Replica) Start(cfg Configuration) error {
	if err := r.Configure(cfg); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start(-1)
	return nil
}

// start is the entry of a process that begins; sent is as in [input.Start]. The caller holds mu.
func (r *Replica) start(sent int64) {
	r.tick = max(r.tick, sent)
	s := input.Start{At: max(r.clock.Wall().UnixMilli(), sent), Sent: sent}
	_, _ = rand.Read(s.Key[:]) // never fails
	r.entry = input.Entry{Kind: input.KindStart, Start: s}
	_ = r.enter() // it always means something
}

// enter gives the entry its time and place, and applies it. The caller holds mu.
func (r *Replica) enter() error {
	r.entry.Time = max(r.last, r.base+r.clock.Passing().Sub(r.began).Milliseconds())
	r.store.append(&r.entry)
	return r.apply(&r.entry)
}

// put applies an entry that means something.
func (r *Replica) put(e input.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entry = e
	_ = r.enter() // only a configuration may mean nothing
}

// Update counts the flows of a message, in their order.
func (r *Replica) Update(flows []input.Flow) {
	r.hold.RLock()
	defer r.hold.RUnlock()
	for part := range slices.Chunk(flows, batch) {
		r.put(input.Entry{Kind: input.KindFlows, Flows: part})
	}
}

// Stats counts a message of a capture's statistics.
func (r *Replica) Stats(s input.CaptureStats) {
	r.hold.RLock()
	defer r.hold.RUnlock()
	r.put(input.Entry{Kind: input.KindStats, Stats: s})
}

// AnalyzerUp records that the feed of the named analyzer is live.
func (r *Replica) AnalyzerUp(name string) { r.analyzer(name, input.AnalyzerLive) }

// AnalyzerDown records that the feed of the named analyzer is not live.
func (r *Replica) AnalyzerDown(name string) { r.analyzer(name, input.AnalyzerDown) }

// AnalyzerGone records that the named analyzer is no longer subscribed to.
func (r *Replica) AnalyzerGone(name string) { r.analyzer(name, input.AnalyzerGone) }

func (r *Replica) analyzer(name string, state input.AnalyzerState) {
	r.put(input.Entry{Kind: input.KindAnalyzer, Analyzer: input.Analyzer{Name: []byte(name), State: state}})
}

// NodeNames takes what nodes are called, and what is below what it says. The rows are not
// retained.
func (r *Replica) NodeNames(rows []input.NodeName, at input.Refresh) {
	r.topology(input.Entry{Kind: input.KindNodeNames, NodeNames: rows, Refresh: at})
}

// AddressNames takes what addresses are called.
func (r *Replica) AddressNames(rows []input.AddressName, at input.Refresh) {
	r.topology(input.Entry{Kind: input.KindAddressNames, AddressNames: rows, Refresh: at})
}

// Interfaces takes the numbers of network interfaces.
func (r *Replica) Interfaces(rows []input.Interface, at input.Refresh) {
	r.topology(input.Entry{Kind: input.KindInterfaces, Interfaces: rows, Refresh: at})
}

// CapturePackets takes the packets of captures.
func (r *Replica) CapturePackets(rows []input.CapturePackets, at input.Refresh) {
	r.topology(input.Entry{Kind: input.KindCapturePackets, CapturePackets: rows, Refresh: at})
}

func (r *Replica) topology(e input.Entry) {
	r.hold.RLock()
	defer r.hold.RUnlock()
	r.put(e)
}

// NamesWanted receives when flows had nodes or addresses whose names are unknown.
func (r *Replica) NamesWanted() <-chan struct{} { return r.aggregator.NamesWanted() }

// TakeWantedNames returns those nodes and addresses, each once.
func (r *Replica) TakeWantedNames() (nodes, addresses []string) {
	return r.aggregator.TakeWantedNames()
}

// Pass records that time passes, in the place of a tick: else a silent feed would look like a
// process that was stopped. settled is as for [Replica.Publish].
func (r *Replica) Pass(settled bool) {
	r.put(input.Entry{Kind: input.KindFlows})
	r.store.sync()
	if settled {
		r.store.cutIfWanted()
	}
}

// Hold keeps [Replica.Update] waiting until release is called, so that several ticks see no
// traffic in between.
func (r *Replica) Hold() (release func()) {
	r.hold.Lock()
	return r.hold.Unlock
}

// EndAll ends every series, and returns how many there are to end; see
// [aggregator.Aggregator.LeftToEnd].
func (r *Replica) EndAll(last bool) (left int) {
	r.put(input.Entry{Kind: input.KindEnd, Last: last})
	return r.aggregator.LeftToEnd()
}

// Configure applies a configuration. Where it renames series, all of them must have ended.
func (r *Replica) Configure(cfg Configuration) error {
	if _, err := cfg.Layout(); err != nil {
		return err
	}
	text, err := json.Marshal(&cfg)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entry = input.Entry{Kind: input.KindConfigure, Configuration: text}
	return r.enter()
}

// Tick samples every series for the given time in milliseconds. When it returns, the tick is
// durable, or [Replica.Failure] says why not: no sample of it may be sent before. The caller
// calls [Replica.Publish] when the log of ticks has it. Ticks must not overlap.
func (r *Replica) Tick(at int64, interval time.Duration, emit aggregator.Emitter) {
	r.put(input.Entry{Kind: input.KindTick, Tick: input.Tick{At: at, Interval: interval.Milliseconds(), Wall: r.clock.Wall().UnixMilli()}})
	r.aggregator.Sample(emit)
	r.store.sync()
}

// Publish shows the latest tick to scrapes. settled says that the log of ticks has all ticks on
// disk: a snapshot lets go of what they could be made of.
func (r *Replica) Publish(settled bool) {
	r.aggregator.Publish()
	if settled {
		r.store.cutIfWanted()
	}
}

// Failure returns why a crash now would lose what was counted, or nil; always nil without
// durable state.
func (r *Replica) Failure() error { return r.store.failureNow() }

// StateBytes is the size of the state on disk: snapshot and journal.
func (r *Replica) StateBytes() int64 { return r.store.bytes() }

// Close makes durable all that was counted, in a snapshot. What is counted afterwards is not
// durable. A second call does nothing.
func (r *Replica) Close() error { return r.store.close() }
