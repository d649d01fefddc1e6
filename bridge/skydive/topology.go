// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/bits"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/logging"
	"github.com/skydive-project/skybridge/secrets"
)

// TopologySink takes what the topology says of network interfaces and captures:
// all of them, each time. It is called from one goroutine.
type TopologySink interface {
	SetInterfaces([]aggregator.InterfaceRow)
	SetCaptures([]aggregator.CapturePackets)
}

// TopologyConfig says whom to ask for the topology, and how often.
type TopologyConfig struct {
	Enabled bool
	// Analyzers are the URLs of their feeds, as in [Config]; the first 64 are asked.
	Analyzers []string
	Username  string
	// Password is asked at each question. Nil means none.
	Password func() (string, error)
	TLS      *tls.Config
	Secrets  *secrets.Set // as in [Config]
	// RefreshInterval is the time between two questions to one analyzer. The sight of
	// an unknown name can bring the next one forward, once in that time.
	RefreshInterval time.Duration
	// CacheSize bounds the names of nodes, those of addresses, and the interfaces.
	CacheSize int
}

func (c *TopologyConfig) targets() ([]target, error) {
	if c.Enabled && (c.RefreshInterval <= 0 || c.CacheSize <= 0) {
		return nil, errors.New("skydive: the topology's refresh interval and cache size must be positive")
	}
	var out []target
	for i, raw := range c.Analyzers {
		t, err := parseTarget(raw)
		if err != nil {
			return nil, fmt.Errorf("skydive: topology of analyzer %d: %w", i+1, err)
		}
		if len(out) < maxTopologyAnalyzers && !slices.ContainsFunc(out, func(o target) bool { return o.name == t.name }) {
			out = append(out, t)
		}
	}
	return out, nil
}

// Topology keeps what Skydive's topology says of nodes, addresses and network
// interfaces. It asks every analyzer; one that does not answer is asked less
// often, and what it told stays. It implements [aggregator.Names] from memory,
// so nobody ever waits for an analyzer. Its methods may be called concurrently.
type Topology struct {
	log       *slog.Logger
	metrics   *topologyMetrics
	proxy     proxyFunc
	timeout   time.Duration // of a question, but for tests
	settle    time.Duration // how long the first unknown name waits for others to come
	nodes     *names[aggregator.NodeNames]
	addresses *names[string]
	wanted    chan struct{} // an unknown name was seen
	changed   chan struct{} // there is a new configuration

	mu      sync.Mutex
	cfg     *TopologyConfig
	sources map[string]*topologySource // by name

	// Of the goroutine that runs.
	graph  topologyGraph
	client *http.Client
	inUse  *TopologyConfig
	early  time.Time    // when an unknown name last brought a round forward
	seldom *slog.Logger // for what can repeat without end
}

// topologySource is one analyzer.
type topologySource struct {
	to       target
	bit      uint64
	plain    bool // it does not know ValueMap
	failures uint
	due      time.Time
	seldom   *slog.Logger
	status   TopologyStatus // under Topology.mu
}

// TopologyStatus is how asking one analyzer for its topology goes.
type TopologyStatus struct {
	Analyzer  string    // its URL without query
	Answered  time.Time // the latest whole answer; zero: none yet
	Nodes     int       // in it
	LastError string    // of the latest question, "" where it was answered; no secrets
}

// NewTopology checks the configuration and registers the metrics.
func NewTopology(cfg TopologyConfig, reg prometheus.Registerer, logger *slog.Logger) (*Topology, error) {
	if _, err := cfg.targets(); err != nil {
		return nil, err
	}
	if cfg.Secrets == nil {
		cfg.Secrets = secrets.New()
	}
	t := &Topology{
		log: logger, proxy: http.ProxyFromEnvironment, timeout: topologyTimeout, settle: 500 * time.Millisecond, cfg: &cfg,
		wanted: make(chan struct{}, 1), changed: make(chan struct{}, 1),
		sources: map[string]*topologySource{},
		graph:   topologyGraph{nodes: map[string]*heldNode{}},
		seldom:  logging.Seldom(logger),
	}
	m, err := newTopologyMetrics(reg, t)
	if err != nil {
		return nil, err
	}
	t.metrics = m
	ask := func() {
		select {
		case t.wanted <- struct{}{}:
		default:
		}
	}
	t.nodes = newNames[aggregator.NodeNames](cfg.CacheSize, m.evicted.WithLabelValues(nameNode), m.unknown.WithLabelValues(nameNode), ask)
	t.addresses = newNames[string](cfg.CacheSize, m.evicted.WithLabelValues(nameAddress), m.unknown.WithLabelValues(nameAddress), ask)
	return t, nil
}

// Node implements [aggregator.Names].
func (t *Topology) Node(tid []byte) aggregator.NodeNames { return t.nodes.get(tid) }

// Address implements [aggregator.Names].
func (t *Topology) Address(addr []byte) string { return t.addresses.get(addr) }

// KnownNode is [Topology.Node] for a person's eye: it changes nothing, neither what
// is asked of analyzers nor which names are kept.
func (t *Topology) KnownNode(tid string) aggregator.NodeNames { return t.nodes.peek(tid) }

// KnownAddress is [Topology.Address] as [Topology.KnownNode] is Node.
func (t *Topology) KnownAddress(addr string) string { return t.addresses.peek(addr) }

// Reload changes the configuration: from the next question on, which comes now.
// What is known stays, but for what only analyzers told that are not asked any
// more. An invalid configuration changes nothing.
func (t *Topology) Reload(cfg TopologyConfig) error {
	if _, err := cfg.targets(); err != nil {
		return err
	}
	t.mu.Lock()
	if cfg.Secrets == nil {
		cfg.Secrets = t.cfg.Secrets
	}
	t.cfg = &cfg
	t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
	return nil
}

// Status returns how asking goes, by analyzer; nothing where that is disabled.
func (t *Topology) Status() []TopologyStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]TopologyStatus, 0, len(t.sources))
	for _, name := range slices.Sorted(maps.Keys(t.sources)) {
		out = append(out, t.sources[name].status)
	}
	return out
}

// Run asks until the context ends. It can be called once.
func (t *Topology) Run(ctx context.Context, sink TopologySink) {
	defer t.disconnect()
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for {
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case <-t.changed:
			due = time.Now()
			continue
		case <-t.wanted:
			now := time.Now()
			if early := later(now.Add(t.settle), t.early); early.Before(due) {
				due, t.early = early, early.Add(t.interval())
			}
			continue
		case <-timer.C:
		}
		started := time.Now()
		t.adopt(sink)
		due = started.Add(t.interval())
		if t.inUse.Enabled {
			t.round(ctx, sink)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// interval is the time between rounds; without any, long.
func (t *Topology) interval() time.Duration {
	if t.inUse == nil || !t.inUse.Enabled {
		return time.Hour
	}
	return t.inUse.RefreshInterval
}

// adopt puts a new configuration into force.
func (t *Topology) adopt(sink TopologySink) {
	t.mu.Lock()
	cfg := t.cfg
	t.mu.Unlock()
	if cfg == t.inUse {
		return
	}
	was := t.inUse
	t.inUse = cfg
	t.disconnect()
	t.client = newTopologyHTTP(cfg.TLS, t.proxy.hidden(cfg.Secrets), t.timeout)
	var targets []target
	if cfg.Enabled {
		targets, _ = cfg.targets() // checked before
		t.graph.limit = 2 * cfg.CacheSize
		t.nodes.resize(cfg.CacheSize)
		t.addresses.resize(cfg.CacheSize)
	}
	t.mu.Lock()
	for name, s := range t.sources {
		i := slices.IndexFunc(targets, func(o target) bool { return o.name == name })
		if i < 0 {
			delete(t.sources, name)
			t.graph.forget(s.bit)
			t.metrics.forget(name)
			continue
		}
		s.to, s.failures, s.due, s.plain = targets[i], 0, time.Time{}, false
	}
	for _, to := range targets {
		if t.sources[to.name] == nil {
			t.sources[to.name] = &topologySource{to: to, bit: t.freeBit(), seldom: logging.Seldom(t.log.With("analyzer", to.name)), status: TopologyStatus{Analyzer: to.name}}
			t.metrics.begin(to.name)
		}
	}
	t.mu.Unlock()
	if !cfg.Enabled && was != nil && was.Enabled {
		t.graph.nodes = map[string]*heldNode{}
		t.nodes.clear()
		t.addresses.clear()
		t.metrics.ifaces.Set(0)
		sink.SetCaptures(nil)
		sink.SetInterfaces(nil)
	}
}

// freeBit returns a bit that no source has. The caller holds mu.
func (t *Topology) freeBit() uint64 {
	used := uint64(0)
	for _, s := range t.sources {
		used |= s.bit
	}
	return 1 << bits.TrailingZeros64(^used)
}

func (t *Topology) disconnect() {
	if t.client != nil {
		t.client.CloseIdleConnections()
	}
}
