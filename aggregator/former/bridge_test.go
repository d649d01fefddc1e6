// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package former_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/replica"
)

// began is when the fixtures began, in ms.
const began = 1_800_000_000_000

// bridge is a replica that adopted a fixture, with a clock and what it samples.
type bridge struct {
	*replica.Replica
	aggregator *aggregator.Aggregator
	t          testing.TB
	seconds    int64 // since began
	samples    []string
}

// adopt starts from a fixture at now, in seconds since it began, as the time of the latest tick of
// its log is.
func adopt(t *testing.T, fixture string, cfg aggregator.Config, lastTick, now int64) (*bridge, replica.Recovery) {
	t.Helper()
	system := onDisk(t, fixture)
	b, c := newBridge(t, cfg, now)
	found, err := b.Open(replica.StoreConfig{FS: system, Dir: "input", Former: "state", LastTick: began + lastTick*1000}, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	for _, name := range system.Files() {
		if strings.HasPrefix(name, "state/") {
			t.Errorf("%s is still there", name)
		}
	}
	b.AnalyzerUp("a")
	return b, found
}

func newBridge(t testing.TB, cfg aggregator.Config, now int64) (*bridge, replica.Configuration) {
	if cfg.Labels == nil {
		cfg.Labels = label.Default()
	}
	cfg.ConnectionTimeout, cfg.FlowRetention = time.Minute, 30*time.Minute
	b := &bridge{t: t, seconds: now}
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped", Help: "-"}, []string{"reason"})
	clock := func() time.Time { return time.UnixMilli(began + b.seconds*1000) }
	logger, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	b.aggregator = aggregator.New(registry, skipped, logger)
	b.Replica = replica.New(b.aggregator, replica.Clock{Wall: clock, Passing: clock}, registry, logger)
	return b, replica.Configuration{Config: cfg}
}

// started is a bridge without a state.
func started(t testing.TB, now int64) *bridge {
	b, c := newBridge(t, aggregator.Config{}, now)
	if err := b.Start(c); err != nil {
		t.Fatal(err)
	}
	return b
}

// onDisk are the files of a fixture on a disk of their own.
func onDisk(t testing.TB, fixture string) *disktest.Disk {
	dir := filepath.Join("testdata", fixture)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := disktest.New(1)
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		d.SetBytes("state/"+f.Name(), content)
	}
	return d
}

// flow is a flow of the fixtures: TCP from 10.0.0.1 to port 80 of 10.0.0.2, by capture c1 on
// node n1, with a window that has just ended.
func (b *bridge) flow(uuid string, port, ab, ba int64) input.Flow {
	now := began + b.seconds*1000
	m := input.Metric{ABBytes: ab, ABPackets: ab / 100, BABytes: ba, BAPackets: ba / 100, Start: now - 10_000, Last: now}
	return input.Flow{
		UUID: []byte(uuid), NodeTID: []byte("n1"), CaptureID: []byte("c1"),
		NetworkA: []byte("10.0.0.1"), NetworkB: []byte("10.0.0.2"),
		HasTransport: true, TransportProtocol: []byte("TCP"), TransportA: port, TransportB: 80,
		Start: m.Start, Metric: m, LastUpdate: m, HasLastUpdate: true,
	}
}

// by gives a flow another origin.
func by(f input.Flow, node, capture string) input.Flow {
	f.NodeTID, f.CaptureID = []byte(node), []byte(capture)
	return f
}

// count counts flows and samples them 15 s later.
func (b *bridge) count(flows ...input.Flow) {
	b.Update(flows)
	b.seconds += 15
	b.Tick(began+b.seconds*1000, 15*time.Second, b)
	b.Publish(true)
}

func (b *bridge) Connections(points []aggregator.Point) {
	for _, p := range points {
		text := fmt.Sprintf("%d: %s bytes %d", b.seconds, strings.ReplaceAll(strings.TrimSuffix(p.Values, label.SeparatorText), label.SeparatorText, " "), p.Bytes)
		b.sample(text, p.Begin, p.Start, p.End)
	}
}

func (b *bridge) Captures(points []aggregator.CapturePoint) {
	for _, p := range points {
		b.sample(fmt.Sprintf("%d: capture %s dropped %d", b.seconds, p.CaptureID, p.FlowDropped), p.Begin, p.Start, p.End)
	}
}

func (b *bridge) Interfaces([]aggregator.InterfacePoint) {}

func (b *bridge) sample(text string, begin, start int64, end bool) {
	text += fmt.Sprintf(" since %d", (start-began)/1000)
	if begin != 0 {
		text += ", begins"
	}
	if end {
		text += ", ends"
	}
	b.samples = append(b.samples, text)
}

// want compares everything that was sampled.
func (b *bridge) want(lines ...string) {
	b.t.Helper()
	if diff := cmp.Diff(lines, b.samples); diff != "" {
		b.t.Errorf("samples (-want +got):\n%s", diff)
	}
}
