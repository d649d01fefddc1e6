// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package topology asks Skydive's analyzers what nodes and addresses are called, which
// network interfaces there are and what they count, and how many packets captures saw.
//
// Every analyzer of a cluster knows all of it, while an agent, which can be asked as
// well, knows its own machine. A round asks all of them at once and takes each node
// from an answer with its latest revision. What only those know that cannot be reached stays.
package topology

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/logging"
)

// Each analyzer has a bit in the graph.
var _ [64 - access.MaxAnalyzers]struct{}

// Config is which analyzers to ask for the topology, and how often.
type Config struct {
	Enabled bool
	// Analyzers are the URLs of their feeds, or names of several; the first 64 are asked.
	Analyzers []string
	Resolver  access.Resolver // of names; nil means the system's
	Account   *access.Account
	// RefreshInterval is the time between two questions to one analyzer. The sight of
	// an unknown name can bring the next one forward, once in that time.
	RefreshInterval time.Duration
	// CacheSize bounds the interfaces; of nodes and of addresses twice as many are kept.
	CacheSize int
}

// analyzers checks the configuration and returns the analyzers to ask.
func (c *Config) analyzers() (*access.Addresses, error) {
	if c.Enabled && (c.RefreshInterval <= 0 || c.CacheSize <= 0) {
		return nil, errors.New("topology: refresh interval and cache size must be positive")
	}
	a, err := access.NewAddresses(c.Analyzers, c.Resolver)
	if err != nil {
		return nil, fmt.Errorf("topology: address of %w", err)
	}
	return a, nil
}

// Topology keeps what Skydive's topology has of nodes, addresses and network
// interfaces. It asks every analyzer; one that does not answer is asked less
// often, and what it reported stays. Its methods may be called concurrently, and
// never wait for an analyzer.
type Topology struct {
	log     *slog.Logger
	metrics *metrics
	timeout time.Duration // of a question, but for tests
	settle  time.Duration // how long the first unknown name waits for others to come
	stated  atomic.Pointer[stated]
	changed chan struct{} // there is a new configuration

	mu        sync.Mutex
	cfg       *Config
	analyzers *access.Addresses
	sources   map[string]*source // by name

	// Of the goroutine that runs.
	graph    graph
	inUse    *Config
	lookUp   time.Time    // when names are to be looked up again
	early    time.Time    // when an unknown name last brought a round forward
	seldom   *slog.Logger // for what can repeat without end
	handedOn bool         // the sink has the topology of this process

	goneNodes, goneAddresses gone
}

// source is one analyzer.
type source struct {
	to       access.Target
	client   *access.Client
	by       uint64 // its bit in the graph
	plain    bool   // it does not know ValueMap
	failures uint
	due      time.Time
	seldom   *slog.Logger
	status   Status // under Topology.mu
}

// Status is how asking one analyzer for its topology goes.
type Status struct {
	Analyzer  string    // its URL without query
	Answered  time.Time // the latest whole answer; zero: none yet
	Nodes     int       // in it
	LastError string    // of the latest question, "" where it was answered; no secrets
}

// New checks the configuration and registers the metrics.
func New(cfg Config, reg prometheus.Registerer, logger *slog.Logger) (*Topology, error) {
	analyzers, err := cfg.analyzers()
	if err != nil {
		return nil, err
	}
	t := &Topology{
		log: logger, timeout: queryTimeout, settle: 500 * time.Millisecond, cfg: &cfg,
		analyzers: analyzers, metrics: newMetrics(reg),
		changed: make(chan struct{}, 1),
		sources: map[string]*source{},
		graph:   graph{nodes: map[string]*heldNode{}},
		seldom:  logging.RateLimited(logger),
	}
	t.stated.Store(&stated{})
	return t, nil
}

// KnownNode returns the names of a node; the zero value where they are unknown.
func (t *Topology) KnownNode(tid string) label.NodeNames { return t.stated.Load().nodes[tid] }

// KnownAddress returns the name of an address in Skydive's notation, or "".
func (t *Topology) KnownAddress(addr string) string { return t.stated.Load().addresses[addr] }

// Reload changes the configuration: from the next question on, which comes now.
// What is known stays, but for what was only known of analyzers that are not asked
// any more. An invalid configuration changes nothing.
func (t *Topology) Reload(cfg Config) error {
	analyzers, err := cfg.analyzers()
	if err != nil {
		return err
	}
	t.mu.Lock()
	analyzers.Adopt(t.analyzers)
	t.cfg, t.analyzers = &cfg, analyzers
	t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
	return nil
}

// Status returns how asking goes, by analyzer; nothing where that is disabled.
func (t *Topology) Status() []Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Status, 0, len(t.sources))
	for _, name := range slices.Sorted(maps.Keys(t.sources)) {
		out = append(out, t.sources[name].status)
	}
	return out
}
