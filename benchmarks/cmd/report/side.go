// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"

	"github.com/skydive-project/skybridge/benchmarks/world"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/loopback"
)

// The programs that are measured.
const (
	theBridge       = "bridge"
	oldConnector    = "old"
	prometheusAgent = "prometheus"
	vmagent         = "vmagent"
)

// spec says what a side of a row is.
type spec struct {
	Work        string                     // the program
	Connections int                        // in all
	Message     remoteapi.WriteMessageType // of remote-write; empty: nothing is pushed
	Interval    time.Duration              // between ticks
	MemoryLimit string                     // GOMEMLIMIT, of the bridge

	Dir            string // on the disk to measure with
	Feed, Receiver string // URLs
	Address        string // where it serves HTTP
}

// url is the base of the side's pages.
func (s spec) url() string { return "http://" + s.Address }

// side is a program that runs, what feeds it and what it sends to.
type side struct {
	spec
	*child
	feed  *analyzer.Analyzer
	to    *receiver
	base  float64 // bytes resident before the first connection
	begin int64   // of the connections, ms
}

// side runs a side with a directory, a feed and a receiver of its own, measures by do and
// stops it.
func (r *report) side(ctx context.Context, s spec, do func(*side) (values, error)) (v values, err error) {
	s.Dir, err = os.MkdirTemp(r.dir, "skybridge-report-")
	if err != nil {
		return nil, fmt.Errorf("make a directory to measure with: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.Dir)) }()
	feed, err := analyzer.Start(analyzer.Config{})
	if err != nil {
		return nil, err
	}
	defer feed.Stop()
	to := startReceiver()
	defer to.server.Close()
	s.Feed, s.Receiver, s.Address = feed.URL(), to.url(), loopback.Address()
	start := r.startVmagent
	switch s.Work {
	case theBridge:
		start = r.startBridge
	case oldConnector, prometheusAgent:
		start = r.worker
	}
	c, err := start(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	x := &side{spec: s, child: c, feed: feed, to: to, begin: time.Now().Add(-time.Minute).UnixMilli()}
	if s.Work == theBridge || s.Work == oldConnector {
		if err := feed.WaitSubscribers(c.alive, 1); err != nil {
			return nil, err
		}
		if x.base, _, err = resident(c.pid()); err != nil {
			return nil, err
		}
	}
	return do(x)
}

// report lets all connections report once, so many a second.
func (x *side) report(ctx context.Context, round, perSecond int) error {
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	began := time.Now()
	for sent := 0; sent < x.Connections; {
		for due := min(x.Connections, int(float64(perSecond)*time.Since(began).Seconds())); sent < due; {
			flows := world.Flows(x.begin, sent, min(world.MessageFlows, x.Connections-sent), round)
			x.feed.SendFlows(flows)
			sent += len(flows)
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// startBridge runs the bridge's own binary as shipped, with room for the connections,
// one feed, one receiver at most and, as many sites have, three external labels.
func (r *report) startBridge(ctx context.Context, s spec) (*child, error) {
	if r.bridge == "" {
		return nil, errors.New("the bridge's binary is needed: name it with -skybridge (make build makes it)")
	}
	text := fmt.Sprintf(`global:
  push_interval: %s
  external_labels: {cluster: eu-west-1, env: production, replica: skybridge-0}
skydive:
  analyzers: [%q]
  silence_timeout: 1h
aggregation: {max_series: %d, max_flows: %d}
`, s.Interval, s.Feed, 6*s.Connections, 4*s.Connections)
	if s.Message != "" {
		text += fmt.Sprintf("remote_write: [{url: %q, protobuf_message: %s, queue_config: {max_backoff: 200ms}}]\n", s.Receiver, s.Message)
	}
	file := filepath.Join(s.Dir, "skybridge.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write the bridge's configuration: %w", err)
	}
	return r.start(ctx, []string{"GOMEMLIMIT=" + s.MemoryLimit}, r.bridge, "--config.file="+file,
		"--storage.path="+filepath.Join(s.Dir, "storage"), "--web.listen-address="+s.Address, "--log.level=error")
}
