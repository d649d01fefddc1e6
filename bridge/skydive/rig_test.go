// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/leaks"
	"github.com/skydive-project/skybridge/secrets"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

// sink records what the feed delivers.
type sink struct {
	mu     sync.Mutex
	flows  []input.Flow
	calls  int
	stats  []input.CaptureStats
	states []string // "up name", "down name"
	hold   chan struct{}
}

func (s *sink) Update(flows []input.Flow) {
	s.mu.Lock()
	s.calls++
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	s.mu.Lock()
	for i := range flows {
		s.flows = append(s.flows, cloneFlow(&flows[i]))
	}
	s.mu.Unlock()
}

// cloneFlow returns a copy that shares no memory with the feed's.
func cloneFlow(f *input.Flow) input.Flow {
	c := *f
	for _, text := range []*[]byte{
		&c.UUID, &c.NodeTID, &c.CaptureID, &c.NetworkA, &c.NetworkB, &c.TransportProtocol, &c.Application, &c.ParentUUID,
	} {
		*text = bytes.Clone(*text)
	}
	return c
}

func (s *sink) Stats(c input.CaptureStats) {
	s.mu.Lock()
	c.CaptureID = bytes.Clone(c.CaptureID)
	s.stats = append(s.stats, c)
	s.mu.Unlock()
}

func (s *sink) AnalyzerUp(name string)   { s.state("up " + name) }
func (s *sink) AnalyzerDown(name string) { s.state("down " + name) }
func (s *sink) AnalyzerGone(name string) { s.state("gone " + name) }

func (s *sink) state(what string) {
	s.mu.Lock()
	s.states = append(s.states, what)
	s.mu.Unlock()
}

func (s *sink) count(state string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, st := range s.states {
		if strings.HasPrefix(st, state) {
			n++
		}
	}
	return n
}

func (s *sink) seen(uuid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.flows, func(f input.Flow) bool { return string(f.UUID) == uuid })
}

// block has the sink take nothing more until it is released.
func (s *sink) block() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hold := make(chan struct{})
	s.hold = hold
	return func() { close(hold) }
}

func (s *sink) received() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.flows)
}

// rig is a running feed with what it talks to.
type rig struct {
	feed *Feed
	sink *sink
	logs *await.Logs
	reg  *prometheus.Registry
	stop func() // ends the feed and waits
}

// quick are the times of a feed in a test: it reconnects at once.
func quick(f *Feed) {
	f.timing.minDelay, f.timing.maxDelay = 5*time.Millisecond, 20*time.Millisecond
}

// unhurried are those of a feed that comes back no sooner than Skydive, on a busy
// machine, has forgotten a connection whose close frame it has answered.
func unhurried(f *Feed) {
	f.timing.minDelay, f.timing.maxDelay = 100*time.Millisecond, 200*time.Millisecond
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

// user is one whose password the configuration has.
func user(t *testing.T, name, password string) *access.Account {
	return account(t, access.Settings{HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: name, Password: config.Secret(password)}}})
}

func newRig(t *testing.T, cfg Config, tweaks ...func(*Feed)) *rig {
	t.Helper()
	r := &rig{sink: &sink{}, logs: &await.Logs{}, reg: prometheus.NewRegistry()}
	if cfg.Account == nil {
		cfg.Account = account(t, access.Settings{})
	}
	if cfg.HostID == "" {
		cfg.HostID = "bridge"
	}
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skybridge_records_skipped_total", Help: "h"}, []string{"reason"})
	r.reg.MustRegister(skipped)
	var err error
	r.feed, err = NewFeed(cfg, r.sink, skipped, r.reg, slog.New(slog.NewTextHandler(r.logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	quick(r.feed)
	for _, tweak := range tweaks {
		tweak(r.feed)
	}
	return r
}

func (r *rig) run(t *testing.T) *rig {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.feed.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

// metric returns a metric's value; labels are name, value, ….
func (r *rig) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	return await.Metric(t, r.reg, name, labels...)
}

func (r *rig) reconnects(t *testing.T, a *analyzer.Analyzer, why reason) float64 {
	t.Helper()
	return r.metric(t, "skybridge_reconnects_total", "analyzer", a.URL(), "reason", string(why))
}

// waitMetric waits until a metric has a value.
func (r *rig) waitMetric(t *testing.T, want float64, name string, labels ...string) {
	t.Helper()
	await.MetricIs(t, want, r.reg, name, labels...)
}

// waitUps waits until the feed has subscribed n times.
func (r *rig) waitUps(t *testing.T, n int) {
	t.Helper()
	await.Until(t, fmt.Sprintf("%d subscriptions", n), func() bool { return r.sink.count("up") >= n })
}

func (r *rig) waitFlow(t *testing.T, uuid string) {
	t.Helper()
	await.Until(t, "flow "+uuid, func() bool { return r.sink.seen(uuid) })
}

func startAnalyzer(t *testing.T, cfg analyzer.Config) *analyzer.Analyzer {
	t.Helper()
	a, err := analyzer.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	return a
}

// subscribe starts an analyzer and a feed, and waits until they know of each other.
func subscribe(t *testing.T, cfg Config, tweaks ...func(*Feed)) (*analyzer.Analyzer, *rig) {
	t.Helper()
	a := startAnalyzer(t, analyzer.Config{})
	cfg.Analyzers = []string{a.URL()}
	r := newRig(t, cfg, tweaks...).run(t)
	waitSubscribed(t, a, 1)
	r.waitUps(t, 1)
	return a, r
}

// waitSubscribed waits until the analyzer would reach n subscribers.
func waitSubscribed(t *testing.T, a *analyzer.Analyzer, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	if err := a.WaitSubscribers(ctx, n); err != nil {
		t.Fatal(err)
	}
}

func flow(uuid string) analyzer.Flow {
	return analyzer.Flow{
		UUID: uuid, CaptureID: "c", NodeTID: "n", Start: 5,
		Network:          &analyzer.Layer{Protocol: "IPV4", A: "10.0.0.1", B: "10.0.0.2"},
		Transport:        &analyzer.Transport{Protocol: "TCP", A: 40000, B: 80},
		Metric:           &analyzer.Metric{ABBytes: 10, ABPackets: 1},
		LastUpdateMetric: &analyzer.Metric{ABBytes: 10, ABPackets: 1, Start: 5, Last: 6},
	}
}

// otherClient subscribes as somebody else would, and reads and pongs.
func otherClient(t *testing.T, a *analyzer.Analyzer, host string, namespaces ...string) *websocket.Conn {
	t.Helper()
	h := http.Header{"X-Client-Type": {"other"}, "X-Host-Id": {host}, "X-Websocket-Namespace": namespaces}
	conn, resp, err := websocket.DefaultDialer.DialContext(t.Context(), a.URL(), h)
	if err != nil {
		t.Fatalf("%v: %v", err, resp)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		readOn(conn)
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return conn
}

const soundFlow = `{"UUID":"u","Metric":{"ABPackets":1,"ABBytes":2,"BAPackets":3,"BABytes":4,"Start":5,"Last":6,"RTT":7}}`

func flowMessage(flows string) string {
	return `{"Namespace":"flow","Type":"store","UUID":"x","Status":200,"Obj":` + flows + `}`
}
