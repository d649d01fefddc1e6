// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// sample is one sample as a receiver would get it.
type sample struct {
	at    int64
	value uint64
	stale bool
}

// fakeReceiver is an Emitter that keeps what a receiver would: the samples of each
// series, in order. It checks on the way what every receiver demands.
type fakeReceiver struct {
	t      testing.TB
	at     int64
	series map[string][]sample
	// mayReset: counters may begin that have not ended.
	mayReset bool
	// between, where given, is called whenever a tick is between two batches.
	between func()
}

func newFakeReceiver(t testing.TB) *fakeReceiver {
	return &fakeReceiver{t: t, series: map[string][]sample{}}
}

func (l *fakeReceiver) add(name string, s sample) {
	have := l.series[name]
	if n := len(have); n > 0 {
		last := have[n-1]
		if s.at <= last.at {
			l.t.Fatalf("%s: sample at %d after one at %d", name, s.at, last.at)
		}
		if s.stale && last.stale {
			l.t.Fatalf("%s: two stale markers in a row, at %d and %d", name, last.at, s.at)
		}
	}
	l.series[name] = append(have, s)
}

func (l *fakeReceiver) Connections(points []Point) {
	for _, p := range points {
		for d := range p.Layout.Directions() {
			labels := labelText(p.Row, d)
			l.point("bytes"+labels, p.Bytes[d], p)
			l.point("packets"+labels, p.Packets[d], p)
		}
		if p.Gauges[RTT] != 0 {
			l.add("rtt"+labelText(p.Row, 0), sample{at: l.at, value: p.Gauges[RTT], stale: p.End})
		}
	}
	if l.between != nil {
		l.between()
	}
}

func (l *fakeReceiver) point(name string, value uint64, p Point) {
	have := l.series[name]
	begins := len(have) == 0 || have[len(have)-1].stale
	if fresh := p.Begin != 0; begins != fresh && (!l.mayReset || !fresh) {
		l.t.Fatalf("%s at %d: begins=%v, but Begin is %d", name, l.at, begins, p.Begin)
	}
	switch {
	case p.End:
		l.add(name, sample{at: l.at, stale: true})
		return
	case p.Begin != 0:
		if p.Begin != p.Start {
			l.t.Fatalf("%s: begins at %d but its start is %d", name, p.Begin, p.Start)
		}
		l.add(name, sample{at: p.Begin})
	}
	if value > maxCount {
		l.t.Fatalf("%s: %d is above 2^52", name, value)
	}
	l.add(name, sample{at: l.at, value: value})
}

func (l *fakeReceiver) Captures(points []CapturePoint) {
	for _, p := range points {
		name := "capture_dropped{" + p.CaptureID + "}"
		if received := "capture_received{" + p.CaptureID + "}"; p.HasPackets && !p.End {
			l.add(received, sample{at: l.at, value: p.PacketsReceived})
		} else if p.HasPackets || p.Before.HasPackets {
			l.add(received, sample{at: l.at, stale: true})
		}
		switch {
		case p.End:
			l.add(name, sample{at: l.at, stale: true})
			continue
		case p.Begin != 0:
			l.add(name, sample{at: p.Begin})
		}
		l.add(name, sample{at: l.at, value: p.FlowDropped})
	}
}

func (l *fakeReceiver) Interfaces(points []InterfacePoint) {
	for _, p := range points {
		l.add("rx{"+p.Name+" "+p.IPv4+"}", sample{at: l.at, value: p.Values[0], stale: p.End})
		if s := l.series["rx{"+p.Name+" "+p.IPv4+"}"]; p.End {
			s[len(s)-1].value = 0
		}
	}
}

// increase is the reset-aware sum of a series: what a receiver's increase over
// all of its life would be.
func (l *fakeReceiver) increase(name string) (sum uint64) {
	last := uint64(0)
	for i, s := range l.series[name] {
		switch {
		case s.stale:
			continue
		case i == 0:
		case s.value >= last:
			sum += s.value - last
		default:
			sum += s.value
		}
		last = s.value
	}
	return sum
}

// increases returns the increase of every counter that has one, by series.
func (l *fakeReceiver) increases() map[string]uint64 {
	all := map[string]uint64{}
	for name := range l.series {
		if strings.HasPrefix(name, "rtt") {
			continue
		}
		if n := l.increase(name); n > 0 {
			all[name] = n
		}
	}
	return all
}

func (l *fakeReceiver) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(l.series)) {
		fmt.Fprintf(&b, "%s %v\n", name, l.series[name])
	}
	return b.String()
}

// labelText writes a row's labels, those with a value, for one direction.
func labelText(r Row, direction int) string {
	values := strings.Split(strings.TrimSuffix(r.Values, "\xff"), "\xff")
	var pairs []string
	for i, name := range r.Layout.Names {
		var value string
		if i == r.Layout.Direction {
			value = []string{label.InitiatorToTarget, label.TargetToInitiator}[direction]
		} else {
			value, values = values[0], values[1:]
		}
		if value != "" {
			pairs = append(pairs, name+"="+value)
		}
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

// world is an aggregator with a clock that the test turns, and a ledger.
type world struct {
	*Aggregator
	t        testing.TB
	time     time.Time
	receiver *fakeReceiver
	registry *prometheus.Registry
	skipped  *prometheus.CounterVec
	logs     bytes.Buffer
	logger   *slog.Logger // the only one that writes to logs, for it has the lock
	applying sync.Mutex
	record   func(*input.Entry) // may be nil
	entry    input.Entry        // scratch
}

const testInterval = 15 * time.Second

// newWorld starts with one live analyzer. Without labels the aggregator has
// the default ones, without timeouts the default ones.
func newWorld(t testing.TB, cfg Config) *world {
	if cfg.Labels == nil {
		cfg.Labels = label.Default()
	}
	if cfg.ConnectionTimeout == 0 {
		cfg.ConnectionTimeout = time.Minute
	}
	if cfg.FlowRetention == 0 {
		cfg.FlowRetention = 30 * time.Minute
	}
	w := &world{
		t:        t,
		time:     time.UnixMilli(1_800_000_000_000),
		receiver: newFakeReceiver(t),
		registry: prometheus.NewRegistry(),
		skipped:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skybridge_records_skipped_total", Help: "-"}, []string{"reason"}),
	}
	w.registry.MustRegister(w.skipped)
	w.logger = slog.New(slog.NewTextHandler(&w.logs, nil))
	w.Aggregator = New(w.registry, w.skipped, w.logger)
	if err := w.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	w.start()
	// As of a bridge that has just made a tick on the grid: counters begin with the next.
	w.noGridTick = false
	w.AnalyzerUp("a")
	return w
}

// tick lets the time pass to the next tick and samples it.
func (w *world) tick() {
	w.pass(testInterval)
	w.tickNow()
}

// count counts flows and samples them at the next tick.
func (w *world) count(flows ...input.Flow) {
	w.Update(flows)
	w.tick()
}

// endAll ends every series, as a reload and the end of a process do.
func (w *world) endAll() {
	for w.EndAll(true) > 0 {
		w.pass(MinTickGap * time.Millisecond)
		w.tickNow()
	}
}

func (w *world) tickNow() {
	w.receiver.at = w.time.UnixMilli()
	w.Tick(w.receiver.at, testInterval, w.receiver)
	w.Publish()
}

// pass lets time pass, in which there are inputs as often as ticks.
func (w *world) pass(d time.Duration) {
	for ; d > testInterval; d -= testInterval {
		w.jump(testInterval)
		if w.Aggregator != nil {
			w.Update(nil)
		}
	}
	w.jump(d)
}

// jump lets time pass without any input.
func (w *world) jump(d time.Duration) { w.time = w.time.Add(d) }

// ms is a moment on the agents' clock, which equals ours here.
func (w *world) ms(ago time.Duration) int64 { return w.time.Add(-ago).UnixMilli() }

// total adds up the increases of all series whose name begins with prefix.
func (w *world) total(prefix string) (sum uint64) {
	for name, n := range w.receiver.increases() {
		if strings.HasPrefix(name, prefix) {
			sum += n
		}
	}
	return sum
}

// want fails the test unless the series whose names begin with prefix increased by bytes.
func (w *world) want(prefix string, bytes uint64) {
	w.t.Helper()
	if got := w.total(prefix); got != bytes {
		w.t.Errorf("%s: increased by %d, want %d\n%s", prefix, got, bytes, w.receiver)
	}
}

// wantMetric fails the test unless a metric of the aggregator's own is value.
func (w *world) wantMetric(name, label string, value float64) {
	w.t.Helper()
	if got := w.metric(name, label); got != value {
		w.t.Errorf("%s %s is %v, want %v", name, label, got, value)
	}
}

// metric reads one of the aggregator's own metrics, by name and label value.
func (w *world) metric(name, label string) float64 {
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			found := label == ""
			for _, l := range m.Label {
				found = found || l.GetValue() == label
			}
			if found {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// metricSum adds up those of a metric that have the given label value.
func (w *world) metricSum(name, label string) (sum float64) {
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if f.GetName() == name && l.GetValue() == label {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

// flow returns a TCP flow on node n1 and capture c1 whose totals are those
// given, reported as its first update: LastUpdateMetric equals Metric.
func (w *world) flow(uuid string, ab, ba int64) input.Flow {
	m := input.Metric{ABBytes: ab, ABPackets: ab / 100, BABytes: ba, BAPackets: ba / 100, Start: w.ms(10 * time.Second), Last: w.ms(0)}
	return input.Flow{
		UUID: []byte(uuid), NodeTID: []byte("n1"), CaptureID: []byte("c1"),
		NetworkA: []byte("10.0.0.1"), NetworkB: []byte("10.0.0.2"),
		HasTransport: true, TransportProtocol: []byte("TCP"), TransportA: 40000, TransportB: 80,
		Start: m.Start, Metric: m, LastUpdate: m, HasLastUpdate: true,
	}
}

// knownWorld is a new world in which that origin is known.
func knownWorld(t testing.TB, cfg Config) *world {
	w := newWorld(t, cfg)
	w.known()
	return w
}

// known makes the origin n1, c1 known, so that its epoch is in the past.
func (w *world) known() { w.arrive(first) }
