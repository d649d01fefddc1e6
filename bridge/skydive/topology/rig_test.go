// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/bridge/skydive/access"
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

// interfaceSink records what the topology delivers.
type interfaceSink struct {
	mu     sync.Mutex
	rounds int
	rows   []aggregator.InterfaceRow

	captures []aggregator.CapturePackets
}

func (s *interfaceSink) SetCaptures(rows []aggregator.CapturePackets) {
	s.mu.Lock()
	s.captures = slices.Clone(rows)
	s.mu.Unlock()
}

func (s *interfaceSink) SetInterfaces(rows []aggregator.InterfaceRow) {
	s.mu.Lock()
	s.rounds++
	s.rows = slices.Clone(rows)
	slices.SortFunc(s.rows, func(a, b aggregator.InterfaceRow) int { return strings.Compare(a.Name+a.NodeTID, b.Name+b.NodeTID) })
	s.mu.Unlock()
}

// list returns the interfaces as NAME=RXBYTES, and how many rounds there were.
func (s *interfaceSink) list() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.rows {
		out = append(out, fmt.Sprintf("%s=%d", r.Name, r.Values[0]))
	}
	return strings.Join(out, " "), s.rounds
}

// rig is a running topology with what it talks to.
type rig struct {
	topology *Topology
	sink     *interfaceSink
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
	r := &rig{logs: &await.Logs{}, reg: prometheus.NewRegistry(), sink: &interfaceSink{}}
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
