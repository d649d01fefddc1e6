// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package aggregator sums the flows that Skydive reports into exact counters per
// connection: flows in by [Aggregator.Update], samples out at each [Aggregator.Tick],
// and the latest samples to scrapers by [Aggregator.Scrape]. The counting rules are in
// docs/explanation/counting.md.
package aggregator

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/logging"
)

const (
	// batch is how many flows or connections are handled each time the lock is taken:
	// about 50 µs, so that ingest, ticks and scrapes hardly wait for each other.
	batch = 256
	// maxText bounds the bytes of a flow's UUID, node, capture, addresses and protocol.
	// Skydive's own have at most 45.
	maxText = 256
)

// Config is what the operator chooses. A bound of 0 is none.
type Config struct {
	// What connections are called.
	label.Config
	// ConnectionTimeout is how long after its next update was due a connection
	// without traffic ends.
	ConnectionTimeout time.Duration
	// FlowRetention is how long the baseline of a flow that is no longer reported stays.
	FlowRetention time.Duration
	// FlowExpire is Skydive's flow.expire; 0: as observed.
	FlowExpire time.Duration
	// MaxSeries and MaxFlows bound the series of connections and the baselines.
	MaxSeries, MaxFlows int
	// MaxSeriesPerNode bounds the series of connections that one node reported first.
	MaxSeriesPerNode int
	// TopK is how many connections have series of their own: those with the most bytes
	// in a window of TopKWindow of feed time.
	TopK       int
	TopKWindow time.Duration
	// What is excluded: classes, networks of either end, and protocols and applications
	// as Skydive calls them.
	ExcludeClasses      []label.Class
	ExcludeNetworks     []netip.Prefix
	ExcludeProtocols    []string
	ExcludeApplications []string
	// Observers says whether a connection that several nodes see counts once; empty is
	// [ObserversAll]. Tunnels says which flows of a tunnel count; empty is [TunnelsBoth].
	Observers Observers
	Tunnels   Tunnels
	// Portless says whether flows without ports count; empty is [PortlessSkip].
	Portless Portless
}

// Aggregator is safe for concurrent use.
type Aggregator struct {
	now      func() time.Time
	began    time.Time // when the aggregator was made
	metrics  *metrics
	warnings warnings // under mu

	// hold keeps updates out while a reload ends every series; see [Aggregator.Hold].
	hold sync.RWMutex

	mu          sync.Mutex
	cfg         Config
	labels      *label.Builder
	filters     *filters
	listeners   *label.Listeners
	time        int64 // ms, of the latest input: it is never set back
	wall        int64 // ms that the clock was ahead of it at the latest tick
	clock       *feedClock
	origins     *origins
	baselines   *baselines
	connections *connections
	gauges      [gaugeCount]gaugeFamily
	captures    *captures
	known       knownFlows
	overflowed  *overflowStats
	top         *top       // nil: no TopK
	demotions   uint64     // connections whose series top_k gave to busier ones
	labelStats  labelStats // not under mu
	interfaces  interfaces // not under mu
	shared      sharedConversations
	scope       int           // of new conversations: byNode or byTuple
	leftOut     []*input.Flow // scratch; see isLeftOut
	progress    progress      // scratch
	normalized  input.Flow    // scratch: a record in the form of its primary observer
	lastTick    int64         // ms; before the first one, when this process began
	held        int           // held records, of all nodes
	samples     samplePair
	latest      tickTimes // of the latest tick that the state knows of
	// noGridTick: there was no tick on the grid yet, and a former process may have sent
	// samples up to the first one.
	noGridTick   bool
	earliestZero int64    // ms: before it, series may have samples of a former process or layout
	ending       bool     // the process ends
	journal      *journal // nil: nothing is durable
	durable      *durable // nil: nothing is durable

	conversationKey conversationKey
	tags            tags

	key, hashed []byte // scratch
}

// New returns an aggregator without flows. Time comes from now. Records that do not
// count are counted by reason in skipped; other metrics are registered with reg.
func New(cfg Config, now func() time.Time, reg prometheus.Registerer, skipped *prometheus.CounterVec, logger *slog.Logger) (*Aggregator, error) {
	layout, err := cfg.Layout()
	if err != nil {
		return nil, err
	}
	start := now()
	a := &Aggregator{
		now:         now,
		began:       start,
		time:        start.UnixMilli(),
		warnings:    warnings{logger: logger, limits: map[string]*logging.Limit{}},
		cfg:         cfg,
		clock:       newFeedClock(cfg.FlowRetention, start.UnixMilli()),
		origins:     newOrigins(),
		connections: newConnections(layout, nil),
		gauges:      gaugeTable(),
		captures:    newCaptures(),
		known:       knownFlows{live: newRecentFlows(), ended: newRecentFlows()},
		overflowed:  newOverflowStats(),
		interfaces:  interfaces{byLabels: map[InterfaceLabels]*interfaceState{}},
		lastTick:    start.UnixMilli(),
		noGridTick:  true,
		scope:       cfg.scope(),

		conversationKey: newConversationKey(),
	}
	a.baselines = newBaselines(a.origins)
	a.configureTop(cfg)
	a.listeners = label.NewListeners(
		func(key string) { a.journal.listener(key) },
		func() { a.metrics.evictedListeners.Inc() },
	)
	a.metrics = newMetrics(reg, skipped, a)
	a.filters = newFilters(cfg, a.metrics.filteredBytes)
	a.relabel()
	return a, nil
}

// Configure applies a new configuration. Baselines and counters continue. Where it
// [Aggregator.Renames] connections, the caller must have ended all series before; see
// [Aggregator.EndAll].
func (a *Aggregator) Configure(cfg Config) error {
	layout, err := cfg.Layout()
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !layout.Equal(a.connections.layout) {
		if !a.connections.clear() {
			return errors.New("aggregator: labels change while series have not ended")
		}
		a.connections = newConnections(layout, a.journal)
		a.earliestZero = a.lastTick + 1
		a.journal.layout(layout)
		a.journal.seal(a.enter())
	}
	a.enter()
	a.clock.grace = cfg.FlowRetention
	a.cfg = cfg
	a.ending = false
	a.filters = newFilters(cfg, a.metrics.filteredBytes)
	a.relabel()
	a.configureTop(cfg)
	a.scope = cfg.scope()
	return nil
}

// Renames reports whether a configuration gives connections other labels or other values than
// they have now, or than a former process gave them after [Aggregator.OpenState]: then all
// series have to end ([Aggregator.EndAll]) before [Aggregator.Configure]. It is false for an
// invalid configuration.
func (a *Aggregator) Renames(cfg Config) bool {
	layout, err := cfg.Layout()
	if err != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return !layout.Equal(a.connections.layout)
}

// enter is the beginning of each input: it takes its time and returns the feed time.
func (a *Aggregator) enter() (feedNow time.Duration) {
	a.time = max(a.time, a.began.UnixMilli()+a.now().Sub(a.began).Milliseconds())
	return a.clock.now(a.time)
}

// relabel makes label values by the present layout and configuration.
func (a *Aggregator) relabel() {
	a.labels = label.NewBuilder(a.connections.layout, &a.cfg.Config, a.listeners, a.metrics.changedValues.Inc)
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

// AnalyzerGone records that the named analyzer is no longer subscribed to.
func (a *Aggregator) AnalyzerGone(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.enter()
	a.clock.remove(name, a.time)
}

func (a *Aggregator) setAnalyzer(name string, live bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known.since = a.enter()
	a.clock.set(name, live, a.time)
}

// Update counts the flows of one message, in their order.
func (a *Aggregator) Update(flows []input.Flow) {
	a.hold.RLock()
	defer a.hold.RUnlock()
	for part := range slices.Chunk(flows, batch) {
		a.mu.Lock()
		feedNow := a.enter()
		a.markCarriers(part, feedNow)
		for i := range part {
			a.count(&part[i], feedNow)
		}
		a.sweep(feedNow, 2*len(part))
		a.journal.seal(feedNow)
		a.mu.Unlock()
	}
}

// Stats counts one message of a capture's statistics.
func (a *Aggregator) Stats(s input.CaptureStats) {
	a.hold.RLock()
	defer a.hold.RUnlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	feedNow := a.enter()
	a.journal.report(s)
	a.journal.seal(feedNow)
	if !a.captures.report(s, feedNow) {
		a.skip(skippedCaptures, "a capture's statistics do not count: its name is too long or there are too many", "limit", maxCaptures)
	}
}

// count counts one record of the feed.
func (a *Aggregator) count(f *input.Flow, feedNow time.Duration) {
	if reason := malformed(f); reason != "" {
		a.skip(reason, "a flow is malformed and does not count", "reason", reason)
		return
	}
	from := a.origins.get(f, feedNow)
	if from == nil {
		a.skip(skipOrigins, "flows of a new node or capture do not count: there are too many", "node_tid", string(f.NodeTID), "limit", maxOrigins)
		return
	}
	a.learn(from, f, feedNow)
	if !f.HasTransport && a.skipPortless(f, from) {
		a.known.portless(f, from, feedNow)
		return
	}
	a.countOf(from, f, feedNow, onArrival)
}

// countOf counts a record, from which learn has taken the epoch and the period.
func (a *Aggregator) countOf(from *origin, f *input.Flow, feedNow time.Duration, when timing) {
	p := &a.progress
	switch ok := a.advance(from, f, feedNow, when, p); {
	case !ok:
		a.skipImplausible(f)
		return
	case p.record == nil: // held
		return
	case p.stale:
		a.metrics.staleUpdates.Inc()
	}
	if f.Outer {
		isConnection := a.isConnection(f) // false: a carrier that was held
		if !isConnection || a.isLeftOut(f.UUID, from) {
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
	// Excluded flows have baselines as well: after a reload that includes them, what they
	// carried before does not count.
	if a.dropTunnel(p, f, from) || a.exclude(f, p.delta) {
		return
	}
	delta, primary := p.delta, from
	if p.record.maybeShared() {
		var own bool
		if f, primary, delta, own = a.observe(p, f, from, feedNow); !own {
			values = Gauges{} // those of the primary observer count
		}
	}
	traffic := !delta.isZero()
	if !traffic && values == (Gauges{}) {
		a.labels.Learn(f) // a duplicate may show which end is the server
		return
	}
	i, found := a.find(f, p.record)
	if found {
		a.sampleFirst(i)
	}
	if traffic {
		var reason overflowReason
		i, reason = a.findOrAdd(i, found, f, primary.node, delta.totalBytes())
		a.sampleFirst(i) // it may be the overflow
		if found = true; !a.connections.count(i, delta) {
			a.skipImplausible(f)
			return
		}
		c := a.connections.records.at(i)
		c.traffic, c.origin, c.period = feedNow, from.id, from.node.period(feedNow)
		switch {
		case reason != notOverflow:
			a.overflowed.reasons[reason].bytes += delta.totalBytes()
			primary.node.overflowBytes += delta.totalBytes()
		case a.top != nil:
			a.top.add(i, delta.totalBytes())
		}
	}
	if !found {
		return
	}
	a.setGauges(i, &values)
	a.journal.connection(i, a.connections.records.at(i))
}

// skip counts and logs a record that does not count.
func (a *Aggregator) skip(reason, message string, args ...any) {
	a.metrics.skipped[reason].Inc()
	a.warnings.log(reason, message, args...)
}

// skipImplausible skips a record that grew by more than a counter holds.
func (a *Aggregator) skipImplausible(f *input.Flow) {
	a.skip(skippedImplausible, "an update grew by more than a counter holds and does not count", "uuid", string(f.UUID), "node_tid", string(f.NodeTID))
}
