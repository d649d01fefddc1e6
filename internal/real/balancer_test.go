//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package real

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/loopback"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// startHAProxy runs Debian's haproxy, which gives each connection the next of two analyzers,
// and returns its address.
func startHAProxy(t *testing.T, a, b *analyzer.Analyzer) string {
	address, monitor := loopback.Address(), loopback.Address()
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	write(t, file, fmt.Sprintf(`defaults
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend monitor
  mode http
  bind %s
  monitor-uri /
listen analyzers
  mode tcp
  bind %s
  balance roundrobin
  server a %s
  server b %s
`, monitor, address, a.Addr(), b.Addr()))
	start(t, monitor, "/", "haproxy", "-db", "-f", file)
	return address
}

// TestBalancer proves with Debian's haproxy that a bridge which reaches several analyzers
// only through a load balancer says that flows are missing and what to do, and that after
// doing it every byte of both analyzers is counted.
func TestBalancer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	var analyzers []*analyzer.Analyzer
	for _, id := range []string{"a", "b"} {
		a, err := analyzer.Start(analyzer.Config{HostID: id})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Stop)
		analyzers = append(analyzers, a)
	}
	a, b := analyzers[0], analyzers[1]
	a.SetPeers("b")
	b.SetPeers("a")
	balancer, prometheus := startHAProxy(t, a, b), startPrometheus(t)
	file := filepath.Join(t.TempDir(), "skybridge.yml")
	configure := func(urls ...string) {
		write(t, file, fmt.Sprintf("global: {push_interval: 1s}\nskydive: {analyzers: [%s]}\nremote_write: [{url: %s/api/v1/write}]\n",
			strings.Join(urls, ", "), prometheus.url))
	}
	configure("ws://" + balancer)
	address := loopback.Address()
	bridge := start(t, address, "/-/ready", build(t), "--config.file="+file, "--web.listen-address="+address)
	waitMissing := func(n float64) {
		t.Helper()
		if err := await.Wait(ctx, func() (bool, string) {
			got, err := await.Scrape(ctx, bridge.url, "skybridge_analyzers_not_subscribed")
			return err == nil && got == n, fmt.Sprintf("%v analyzers are missing, want %v (%v)", got, n, err)
		}); err != nil {
			t.Fatalf("%v\n%s", err, bridge.logs)
		}
	}
	waitMissing(1)
	bridge.logs.WaitFor(t, "list each analyzer in skydive.analyzers")

	configure(a.URL(), b.URL())
	if err := bridge.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitMissing(0)
	bridge.logs.WaitFor(t, "every analyzer of the cluster is subscribed to")
	feed := judge.Feed{Reference: reference.New(), Analyzers: analyzers}
	s := script.Write(script.Options{Seed: uint64(began.UnixNano()), Connections: 50, Steps: 5, Analyzers: 2, Now: began.UnixMilli()})
	for _, step := range append([][]script.Message{s.Hello}, s.Steps...) {
		for _, m := range step {
			feed.Send(m)
		}
		if err := feed.WaitReceived(ctx, bridge.url); err != nil {
			t.Fatalf("%v\n%s", err, bridge.logs)
		}
	}
	bridge.terminate()
	if diff := judge.Diff(feed.Reference.Totals(), prometheus.sums(ctx, t, began)); diff != "" {
		t.Errorf("the receiver differs from what was reported:\n%s", diff)
	}
}
