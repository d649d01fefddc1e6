// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/leaks"
	"github.com/skydive-project/skybridge/secrets"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

// startAnalyzer starts an analyzer whose topology has these nodes.
func startAnalyzer(t *testing.T, nodes ...json.RawMessage) *analyzer.Analyzer {
	t.Helper()
	return startAnalyzerWith(t, analyzer.Config{}, nodes...)
}

func startAnalyzerWith(t *testing.T, cfg analyzer.Config, nodes ...json.RawMessage) *analyzer.Analyzer {
	t.Helper()
	a, err := analyzer.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	a.SetTopology(nodes, nil)
	return a
}

// tableSink has what the topology has stated.
type tableSink struct {
	wanted chan struct{}

	mu                           sync.Mutex
	wantedNodes, wantedAddresses []string
	rounds                       int
	nodes                        map[string]input.NodeName
	addresses                    map[string]string
	rows                         map[string]input.Interface
	captures                     map[string]input.CapturePackets
}

// take applies rows to a table. The first ones of all are of a whole refresh.
func take[R, V any](s *tableSink, table *map[string]V, rows []R, how input.Refresh, row func(*R) (key string, v V, gone bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if how.Whole != (*table == nil) || len(rows) > input.MaxRows {
		panic(fmt.Sprintf("%d rows, whole: %v", len(rows), how.Whole))
	}
	if how.Whole {
		*table = map[string]V{}
	}
	for i := range rows {
		key, v, gone := row(&rows[i])
		if delete(*table, key); !gone {
			(*table)[key] = v
		}
	}
}

func (s *tableSink) NodeNames(rows []input.NodeName, how input.Refresh) {
	take(s, &s.nodes, rows, how, func(n *input.NodeName) (string, input.NodeName, bool) { return string(n.TID), *n, n.Gone })
}

func (s *tableSink) AddressNames(rows []input.AddressName, how input.Refresh) {
	take(s, &s.addresses, rows, how, func(n *input.AddressName) (string, string, bool) { return string(n.Address), string(n.Name), n.Gone })
}

func (s *tableSink) CapturePackets(rows []input.CapturePackets, how input.Refresh) {
	take(s, &s.captures, rows, how, func(p *input.CapturePackets) (string, input.CapturePackets, bool) {
		return string(p.CaptureID) + " " + string(p.NodeTID), *p, p.Gone
	})
}

func (s *tableSink) Interfaces(rows []input.Interface, how input.Refresh) {
	take(s, &s.rows, rows, how, func(i *input.Interface) (string, input.Interface, bool) {
		return fmt.Sprintf("%s %s %s %s %s %s", i.Name, i.NodeTID, i.Host, i.Type, i.IPv4, i.IPv6), *i, i.Gone
	})
	if how.End {
		s.mu.Lock()
		s.rounds++
		s.mu.Unlock()
	}
}

func (s *tableSink) NamesWanted() <-chan struct{} { return s.wanted }

func (s *tableSink) TakeWantedNames() (nodes, addresses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	nodes, addresses = s.wantedNodes, s.wantedAddresses
	s.wantedNodes, s.wantedAddresses = nil, nil
	return nodes, addresses
}

// want has the topology look for the name of an address.
func (s *tableSink) want(address string) {
	s.mu.Lock()
	s.wantedAddresses = append(s.wantedAddresses, address)
	s.mu.Unlock()
	select {
	case s.wanted <- struct{}{}:
	default:
	}
}

// interfaces returns the interfaces, sorted by name. The caller holds mu, as that of captures.
func (s *tableSink) interfaces() (all []input.Interface) {
	for _, key := range slices.Sorted(maps.Keys(s.rows)) {
		all = append(all, s.rows[key])
	}
	return all
}

// list returns the interfaces as NAME=RXBYTES, and how many rounds there were.
func (s *tableSink) list() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.interfaces() {
		out = append(out, fmt.Sprintf("%s=%d", r.Name, r.Values[0]))
	}
	return strings.Join(out, " "), s.rounds
}

// rig is a running topology with what it talks to.
type rig struct {
	topology *Topology
	sink     *tableSink
	logs     *await.Logs
	reg      *prometheus.Registry
	stop     func() // ends the topology and waits
}

// account is one with secrets of its own.
func account(t *testing.T, s access.Settings) *access.Account {
	t.Helper()
	a, err := access.NewAccount(s, secrets.New())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newRig(t *testing.T, cfg Config, tweaks ...func(*Topology)) *rig {
	t.Helper()
	r := &rig{logs: &await.Logs{}, reg: prometheus.NewRegistry(), sink: &tableSink{wanted: make(chan struct{}, 1)}}
	cfg.Enabled = true
	if cfg.Account == nil {
		cfg.Account = account(t, access.Settings{})
	}
	if cfg.RefreshInterval == 0 {
		cfg.RefreshInterval = 10 * time.Millisecond
	}
	if cfg.CacheSize == 0 {
		cfg.CacheSize = 1000
	}
	var err error
	r.topology, err = New(cfg, r.reg, slog.New(slog.NewTextHandler(r.logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tweak := range tweaks {
		tweak(r.topology)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.topology.Run(ctx, r.sink)
	}()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

// waitInterfaces waits until the interfaces are those, in a round yet to come.
func (r *rig) waitInterfaces(t *testing.T, want string) {
	t.Helper()
	_, before := r.sink.list()
	r.waitRound(t, before, want)
}

// waitRound waits until the interfaces are those, in a round after that many.
func (r *rig) waitRound(t *testing.T, before int, want string) {
	t.Helper()
	var got string
	defer func() {
		if t.Failed() {
			t.Logf("interfaces: %s\n%s", got, r.logs)
		}
	}()
	await.Until(t, "interfaces "+want, func() bool {
		var rounds int
		got, rounds = r.sink.list()
		return rounds > before && got == want
	})
}

func (r *rig) requests(t *testing.T, a *analyzer.Analyzer, how result) float64 {
	t.Helper()
	return await.Metric(t, r.reg, "skybridge_topology_requests_total", "analyzer", a.URL(), "result", string(how))
}

// nodeJSON is an interface in the form of the recordings.
func nodeJSON(id, name string, rx int, more string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"ID":%q,"Host":"h","CreatedAt":1,"Revision":%d,"Metadata":{"TID":"tid-%s","Name":%q,"Type":"veth","EncapType":"ether","Metric":{"RxBytes":%d}%s}}`,
		id, rx, id, name, rx, more))
}

// recordedJSON reads a recording that is one JSON array.
func recordedJSON(t testing.TB, file string) []json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("../testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var all []json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}
