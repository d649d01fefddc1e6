// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package aggregator sums the flows that Skydive reports into exact counters
// per connection: flows in by [Aggregator.Update], samples out at each
// [Aggregator.Tick], and the latest samples to scrapers by [Aggregator.Scrape].
//
// The rules by which it counts are numbered in docs/explanation/counting.md.
// It knows neither where flows come from nor where samples go.
package aggregator

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/logging"
)

const (
	// batch is how many flows or connections are handled in one go under the
	// lock: about 50 µs, so that ingest, ticks and scrapes hardly wait for each
	// other.
	batch = 256
	// maxText bounds the length in bytes of what a flow names: UUID, node,
	// capture, addresses, protocol. Skydive's own are at most 45.
	maxText = 256
)

// Config is what the operator chooses. The zero value of a bound is none.
type Config struct {
	// Labels of a connection, a subset of [AllLabels].
	Labels []string
	// Ports says what the labels of ports tell; ServicePorts are the operator's
	// beside the well-known ones.
	Ports        PortPolicy
	ServicePorts []PortRange
	// Networks name the addresses for initiator_network and target_network; the
	// longest prefix wins.
	Networks []Network
	// Names tells node_name, host, node_type, initiator_name and target_name; nil:
	// there are none.
	Names Names
	// ConnectionTimeout is how long after its next update was due a connection
	// without traffic ends.
	ConnectionTimeout time.Duration
	// FlowRetention is how long a flow that is no longer reported is remembered.
	FlowRetention time.Duration
	// FlowExpire is Skydive's flow.expire; 0: as seen.
	FlowExpire time.Duration
	// MaxSeries and MaxFlows bound the series of connections and the flows
	// remembered.
	MaxSeries, MaxFlows int
	// MaxSeriesPerNode bounds the series of the connections that one node reported
	// first.
	MaxSeriesPerNode int
	// TopK is how many connections have series of their own: those that carried most
	// in a window of that length in feed time.
	TopK       int
	TopKWindow time.Duration
	// ClusterNetworks tell the [Class] of a flow.
	ClusterNetworks []netip.Prefix
	// What is not exported: classes, networks that either end is in, and Skydive's
	// words for protocols and applications.
	ExcludeClasses      []Class
	ExcludeNetworks     []netip.Prefix
	ExcludeProtocols    []string
	ExcludeApplications []string
	// Observers says whether a connection that several capture points see counts
	// once; empty is [ObserversAll]. Tunnels says which flows of a tunnel count;
	// empty is [TunnelsBoth].
	Observers Observers
	Tunnels   Tunnels
	// Portless says what becomes of flows without ports; empty is [PortlessSkip].
	Portless Portless
}

// Aggregator is safe for concurrent use.
type Aggregator struct {
	now     func() time.Time
	metrics *metrics
	notices notices // under mu

	// hold keeps updates out while a reload ends every series; see [Aggregator.Hold].
	hold sync.RWMutex

	mu          sync.Mutex
	cfg         Config
	labels      *labels
	filters     *filters
	listeners   *listeners
	clock       *feedClock
	sources     *sources
	baselines   *baselines
	connections *connections
	gauges      [gaugeCount]gaugeFamily
	captures    *captures
	known       knownFlows
	folds       *folds
	top         *top       // nil: no TopK
	demotions   uint64     // connections that lost their series to busier ones
	census      census     // not under mu
	interfaces  interfaces // not under mu
	groups      groups
	scope       int      // by what flows that are new are one conversation
	leftOut     []*Flow  // scratch: see isLeftOut
	progress    progress // scratch
	told        Flow     // scratch: a record as the conversation's first observer would tell it
	lastTick    int64    // ms; before the first one, when this process began
	held        int      // records held in doubt
	side        side
	latest      tickTimes // of the latest tick that the state knows of
	// unsure: there was no tick on the grid yet, and a former process may have
	// samples up to the first one that are not known here.
	unsure       bool
	earliestZero int64    // ms: names of series may be in use until then
	ending       bool     // the process ends
	journal      *journal // nil: nothing is durable
	durable      *durable // nil: nothing is durable

	conversationKey conversationKey
	tags            tags

	key []byte // scratch
}

// New returns an aggregator without flows. Time comes from now. Records that
// do not count are counted by reason in skipped; all other metrics are
// registered with reg.
func New(cfg Config, now func() time.Time, reg prometheus.Registerer, skipped *prometheus.CounterVec, logger *slog.Logger) (*Aggregator, error) {
	layout, err := layoutOf(cfg)
	if err != nil {
		return nil, err
	}
	start := now()
	a := &Aggregator{
		now:         now,
		notices:     notices{logger: logger, limits: map[string]*logging.Limit{}},
		cfg:         cfg,
		listeners:   newListeners(),
		clock:       newFeedClock(cfg.FlowRetention, start),
		sources:     newSources(),
		connections: newConnections(layout, nil),
		gauges:      gaugeTable(),
		captures:    newCaptures(),
		known:       newKnownFlows(),
		folds:       newFolds(),
		interfaces:  interfaces{byLabels: map[InterfaceLabels]*interfaceState{}},
		lastTick:    start.UnixMilli(),
		unsure:      true,
		scope:       cfg.scope(),

		conversationKey: newConversationKey(),
	}
	a.baselines = newBaselines(a.sources)
	a.configureTop(cfg)
	a.metrics = newMetrics(reg, skipped, a)
	a.listeners.forgotten = a.metrics.forgottenListeners.Inc
	a.filters = newFilters(cfg, a.metrics.filteredBytes)
	a.relabel()
	return a, nil
}

// Configure puts a new configuration into force. Baselines and counters go on.
// Where it [Aggregator.Renames] connections, the caller must have ended all series
// before, as [Aggregator.EndAll] says.
func (a *Aggregator) Configure(cfg Config) error {
	layout, err := layoutOf(cfg)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !layout.same(a.connections.layout) {
		if a.connections.series > 0 {
			return fmt.Errorf("aggregator: labels change while %d series have not ended", a.connections.series)
		}
		a.connections = newConnections(layout, a.journal)
		a.earliestZero = a.lastTick + 1
		a.journal.layout(layout)
		a.journal.seal(a.clock.now(a.now()))
	}
	a.clock.now(a.now())
	a.clock.grace = cfg.FlowRetention
	a.cfg = cfg
	a.ending = false
	a.filters = newFilters(cfg, a.metrics.filteredBytes)
	a.relabel()
	a.configureTop(cfg)
	a.scope = cfg.scope()
	return nil
}

// relabel makes label values by the layout and configuration in force.
func (a *Aggregator) relabel() {
	a.labels = newLabels(a.connections.layout, a.cfg, a.listeners, a.metrics.changedValues)
}

// Hold keeps [Aggregator.Update] waiting until release is called, so that
// several ticks see no traffic in between.
func (a *Aggregator) Hold() (release func()) {
	a.hold.Lock()
	return a.hold.Unlock
}

// AnalyzerUp records that the feed of the named analyzer is live.
func (a *Aggregator) AnalyzerUp(name string) { a.setAnalyzer(name, true) }

// AnalyzerDown records that the feed of the named analyzer is not live.
func (a *Aggregator) AnalyzerDown(name string) { a.setAnalyzer(name, false) }

// AnalyzerGone records that the named analyzer is no longer one of those whose
// silence matters.
func (a *Aggregator) AnalyzerGone(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clock.forget(name, a.now())
}

func (a *Aggregator) setAnalyzer(name string, live bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clock.set(name, live, a.now())
	a.known.since = a.clock.now(a.now())
}

// Update counts the flows of one message, in their order.
func (a *Aggregator) Update(flows []Flow) {
	a.hold.RLock()
	defer a.hold.RUnlock()
	for part := range slices.Chunk(flows, batch) {
		a.mu.Lock()
		feedNow := a.clock.now(a.now())
		a.markCarriers(part, feedNow)
		for i := range part {
			a.count(&part[i], feedNow)
		}
		a.journal.seal(feedNow)
		a.mu.Unlock()
	}
}

// Stats takes one capture's report of itself.
func (a *Aggregator) Stats(s CaptureStats) {
	a.hold.RLock()
	defer a.hold.RUnlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	feedNow := a.clock.now(a.now())
	a.journal.report(s)
	a.journal.seal(feedNow)
	if !a.captures.report(s, feedNow) {
		a.skip(skipCaptures, "a capture's statistics do not count: its name is too long or there are too many", "limit", maxCaptures)
	}
}

// count takes one record of the feed.
func (a *Aggregator) count(f *Flow, feedNow time.Duration) {
	if reason := malformed(f); reason != "" {
		a.skip(reason, "a flow is malformed and does not count", "reason", reason)
		return
	}
	src := a.sources.get(f, feedNow)
	if src == nil {
		a.skip(skipSources, "flows of a new node or capture do not count: there are too many", "node_tid", string(f.NodeTID), "limit", maxSources)
		return
	}
	a.learn(src, f, feedNow)
	if !f.HasTransport && a.skipPortless(f, src) {
		a.known.portless(f, src, feedNow)
		return
	}
	a.countOf(src, f, feedNow, onArrival)
}

// countOf counts a record of a source that has learned from it.
func (a *Aggregator) countOf(src *source, f *Flow, feedNow time.Duration, when timing) {
	p := &a.progress
	switch ok := a.advance(src, f, feedNow, when, p); {
	case !ok:
		a.refuse(f)
		return
	case p.record == nil: // it is held
		return
	case p.stale:
		a.metrics.staleUpdates.Inc()
	}
	if f.Outer {
		isConnection := a.isConnection(f) // false: a carrier that was held
		if !isConnection || a.isLeftOut(f.UUID, src) {
			a.markCarrier(p, true)
		}
		if !isConnection {
			return
		}
	}
	var values Gauges
	if !p.stale {
		for i := range a.gauges {
			values[i] = a.gauges[i].of(f)
		}
	}
	if p.delta.isZero() && values == (Gauges{}) {
		return
	}
	// Baselines of excluded flows are kept as well: should a reload let them in,
	// what they carried before is no news.
	if a.dropTunnel(p, f, src) || a.exclude(f, p.delta) {
		return
	}
	delta, teller := p.delta, src // who reported the connection first
	if p.record.shared() {
		var own bool
		if f, teller, delta, own = a.observe(p, f, src, feedNow); !own {
			values = Gauges{} // those of the primary observer count
		}
	}
	traffic := !delta.isZero()
	if !traffic && values == (Gauges{}) {
		a.labels.heed(f) // what counted before may tell more all the same
		return
	}
	i, found := a.find(f, p.record)
	if traffic {
		var reason fold
		i, reason = a.place(i, found, f, teller.node, delta.totalBytes())
		if found = true; !a.connections.count(i, delta) {
			a.refuse(f)
			return
		}
		c := a.connections.records.at(i)
		c.traffic, c.source = feedNow, src.id
		switch {
		case reason != kept:
			a.folds.reasons[reason].bytes += delta.totalBytes()
			teller.node.folded += delta.totalBytes()
		case a.top != nil:
			a.top.carry(i, delta.totalBytes())
		}
	}
	if !found {
		return
	}
	a.setGauges(i, &values)
	a.journal.connection(i, a.connections.records.at(i))
}

// skip counts a record that does not count, and says so.
func (a *Aggregator) skip(reason, message string, args ...any) {
	a.metrics.skipped[reason].Inc()
	a.notices.say(reason, message, args...)
}

// refuse skips a record that grew by more than counters hold.
func (a *Aggregator) refuse(f *Flow) {
	a.skip(skipImplausible, "an update grew by more than a counter holds and does not count", "uuid", string(f.UUID), "node_tid", string(f.NodeTID))
}
