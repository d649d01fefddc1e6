// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package aggregator sums the flows that Skydive reports into exact counters per
// connection: entries of the input come by [Aggregator.Apply], samples go out at each tick by
// [Aggregator.Sample], and the latest samples to scrapers by [Aggregator.Scrape]. The counting
// rules are in docs/explanation/counting.md.
package aggregator

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
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
	metrics  *metrics
	warnings warnings // under mu

	mu          sync.Mutex
	cfg         Config
	labels      *label.Builder
	filters     *filters
	names       *label.Names
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
	interfaces  interfaces
	shared      sharedConversations
	scope       int           // of new conversations: byNode or byTuple
	leftOut     []*input.Flow // scratch; see isLeftOut
	progress    progress      // scratch
	normalized  input.Flow    // scratch: a record in the form of its primary observer
	lastTick    int64         // ms; before the first one, when the first process began
	held        int           // held records, of all nodes
	samples     samplePair
	latest      tickTimes // of the latest tick that the state knows of
	// noGridTick: there was no tick on the grid yet, and a former process may have sent
	// samples up to the first one.
	noGridTick   bool
	earliestZero int64     // ms: before it, series may have samples of a former process or layout
	ending       bool      // the process ends
	left         int       // what has not ended; see [Aggregator.LeftToEnd]
	sampling     bool      // a tick is being sampled
	snapshot     *Snapshot // that runs; nil: none does
	// Of the running tick, for [Aggregator.Sample].
	capturePoints   []CapturePoint
	interfacePoints []InterfacePoint

	conversationKey conversationKey
	tags            tags

	key, hashed []byte // scratch
}

// New returns an aggregator without flows, to which a configuration is to be applied first.
// Records that do not count are counted by reason in skipped; other metrics are registered
// with reg.
func New(reg prometheus.Registerer, skipped *prometheus.CounterVec, logger *slog.Logger) *Aggregator {
	a := &Aggregator{gauges: gaugeTable()}
	a.metrics = newMetrics(reg, skipped, a)
	a.warnings = newWarnings(logger)
	a.forget()
	return a
}

// Reset makes the aggregator forget all that was applied to it.
func (a *Aggregator) Reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget()
}

func (a *Aggregator) forget() {
	layout, err := label.NewLayout(label.Default())
	if err != nil {
		panic(err) // a test would have found it
	}
	a.cfg = Config{}
	a.time, a.wall, a.lastTick, a.earliestZero, a.held, a.left, a.scope = 0, 0, 0, 0, 0, 0, 0
	a.clock = newFeedClock()
	a.origins = newOrigins()
	a.baselines = newBaselines(a.origins)
	a.connections = newConnections(layout)
	a.captures = newCaptures()
	a.known = knownFlows{byKey: newIndex()}
	a.overflowed = newOverflowStats()
	a.interfaces = interfaces{byLabels: map[InterfaceLabels]*interfaceState{}}
	a.shared = sharedConversations{}
	a.top = nil
	a.samples, a.latest = samplePair{}, tickTimes{}
	a.noGridTick, a.ending, a.sampling = true, false, false
	a.conversationKey, a.tags = conversationKey{}, tags{}
	a.names = label.NewNames(
		func() { a.metrics.evictedNames.WithLabelValues(nameNode).Inc() },
		func() { a.metrics.evictedNames.WithLabelValues(nameAddress).Inc() },
	)
	a.listeners = label.NewListeners(func() { a.metrics.evictedListeners.Inc() })
	a.filters = newFilters(a.cfg, a.metrics.filteredBytes)
	a.relabel()
}

// Quiet lets entries be applied once more, which were counted and logged when they were applied
// first: it returns what ends that.
func (a *Aggregator) Quiet() (end func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	metrics, warnings := a.metrics, a.warnings
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped"}, []string{"reason"})
	a.metrics, a.warnings = newMetrics(prometheus.NewRegistry(), skipped, a), newWarnings(slog.New(slog.DiscardHandler))
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.metrics, a.warnings = metrics, warnings
		a.filters = newFilters(a.cfg, a.metrics.filteredBytes)
		a.relabel()
	}
}

// Renames reports whether a configuration gives connections other labels or other values than
// they have now: then all series have to end before it is applied (see
// [Aggregator.LeftToEnd]). It is false for an invalid configuration.
func (a *Aggregator) Renames(cfg Config) bool {
	layout, err := cfg.Layout()
	if err != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return !layout.Equal(a.connections.layout)
}

// relabel makes label values by the present layout and configuration.
func (a *Aggregator) relabel() {
	a.names.Bound(a.cfg.MaxNames)
	a.labels = label.NewBuilder(a.connections.layout, &a.cfg.Config, a.names, a.listeners, a.metrics.changedValues.Inc)
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
	var c *connection
	if found {
		a.sampleFirst(i)
		c = a.connections.records.at(i)
	}
	if traffic {
		var reason overflowReason
		i, reason = a.findOrAdd(i, found, f, primary.node, delta.totalBytes())
		a.sampleFirst(i) // it may be the overflow
		c = a.connections.records.at(i)
		if !a.connections.count(i, c, delta) {
			a.skipImplausible(f)
			return
		}
		c.traffic, c.origin, c.period = feedNow, from.id, from.node.period(feedNow)
		switch {
		case reason != notOverflow:
			a.overflowed.reasons[reason].bytes += delta.totalBytes()
			primary.node.overflowBytes += delta.totalBytes()
		case a.top != nil:
			a.top.add(i, delta.totalBytes())
		}
	}
	if c == nil {
		return
	}
	a.setGauges(c, &values)
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
