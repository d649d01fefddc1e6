// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// report counts a new connection of the named node, of 100 bytes.
func (w *world) report(node string, i int) {
	f := w.flow(fmt.Sprintf("%s-%d", node, i), 100, 0)
	f.NodeTID, f.TransportA = []byte(node), int64(i)
	f.Metric.RTT = 7
	w.Update([]input.Flow{f})
}

// meet makes nodes with a capture known.
func (w *world) meet(names ...string) {
	var sources [][2]string
	for _, name := range names {
		sources = append(sources, [2]string{name, "c1"})
	}
	w.arrive(sources...)
}

func (w *world) seriesOfNode(name string) int { return w.origins.nodes.byTID[name].series }

// TestMaxSeriesPerNode proves that a noisy node is counted in the overflow, others are not, and that
// it gets series again when old ones have ended.
func TestMaxSeriesPerNode(t *testing.T) {
	w := newWorld(t, Config{MaxSeriesPerNode: 50, ConnectionTimeout: time.Second})
	w.meet("noisy", "quiet")
	for i := range 100 {
		w.report("noisy", i)
	}
	for i := range 5 {
		w.report("quiet", i)
	}
	checkBounds(t, w.Aggregator)
	if noisy, quiet := w.seriesOfNode("noisy"), w.seriesOfNode("quiet"); noisy > 50 || noisy < 46 || quiet != 25 {
		t.Errorf("%d and %d series, want 46 to 50 and 25", noisy, quiet)
	}
	w.tick()
	const reason = "max_series_per_node"
	if got, want := w.metric("skybridge_overflow_bytes_total", reason), float64(9000); got != want {
		t.Errorf("%v bytes in the overflow, want %v", got, want)
	}
	about := func(when string) {
		if n := w.metric("skybridge_overflow_connections", reason); n < 80 || n > 100 {
			t.Errorf("%v connections in the overflow %s, want about 90", n, when)
		}
	}
	about("now")
	if n := strings.Count(w.logs.String(), "node_tid=noisy"); n != 1 {
		t.Errorf("%d lines about it, want 1:\n%s", n, w.logs.String())
	}
	nodes := w.Status().Nodes
	if n := nodes[0]; n.TID != "noisy" || n.Series != w.seriesOfNode("noisy") || n.OverflowBytes != 9000 {
		t.Errorf("first among nodes is %+v", n)
	}
	for range overflowSpan / testInterval { // all end
		w.tick()
	}
	about("of late")
	w.report("noisy", 1000)
	if n := w.seriesOfNode("noisy"); n != 5 {
		t.Errorf("%d series, want 5", n)
	}
	w.tick()
	w.want(abBytes, 106*100)
	for range 2 * overflowSpan / testInterval {
		w.tick()
	}
	w.wantMetric("skybridge_overflow_connections", reason, 0)
}

// TestQuietNodeIsNotStarved proves that nodes which are noisy within their bound
// leave room for one that comes later, when max_series is all but reached.
func TestQuietNodeIsNotStarved(t *testing.T) {
	w := newWorld(t, Config{MaxSeries: 800, MaxSeriesPerNode: 400})
	w.meet("a", "b", "c", "quiet")
	for i := range 100 {
		for _, node := range []string{"a", "b", "c"} {
			w.report(node, i)
		}
	}
	if w.connections.series < 690 {
		t.Errorf("%d series, want about seven eighths of 800", w.connections.series)
	}
	for i := range 10 {
		w.report("quiet", i)
	}
	if n := w.seriesOfNode("quiet"); n != 50 {
		t.Errorf("the quiet node has %d series, want 50", n)
	}
	checkBounds(t, w.Aggregator)
}

// TestNodesAreRemoved proves that a node whose origin is removed stays as long as
// it has series, and no longer.
func TestNodesAreRemoved(t *testing.T) {
	w := newWorld(t, Config{MaxSeriesPerNode: 50, ConnectionTimeout: time.Second})
	w.meet("a", "b")
	w.report("a", 1)
	for _, name := range []string{"a", "b"} {
		from := w.origins.byKey[originKey{name, "c1"}]
		w.origins.remove(from)
	}
	if _, ok := w.origins.nodes.byTID["b"]; ok {
		t.Error("a node without series is still there")
	}
	if w.seriesOfNode("a") != 5 {
		t.Error("the node was removed while it has series")
	}
	for range 8 {
		w.tick()
	}
	if _, ok := w.origins.nodes.byTID["a"]; ok {
		t.Error("the node is still there")
	}
	checkBounds(t, w.Aggregator)
}

// TestLabelStats proves what is said of labels, that it is a minute old at most or of half
// as many connections, and not of other labels than there are.
func TestLabelStats(t *testing.T) {
	w := newWorld(t, Config{})
	w.meet("a", "b")
	for i := range 1000 {
		w.report([]string{"a", "b"}[i%2], i)
	}
	want := func(name string, values, without int) {
		t.Helper()
		labels := w.LabelStats()
		for _, l := range labels {
			if l.Name != name {
				continue
			}
			near := func(got, want int) bool {
				slack := max(want/10, 2) // six times the standard error
				return got >= want-slack && got <= want+slack
			}
			if !near(l.Values, values) || !near(l.SeriesWithout, without) {
				t.Errorf("%+v, want about %d values and %d series without", l, values, without)
			}
			return
		}
		t.Errorf("no label %s in %v", name, labels)
	}
	want("initiator_port", 1000, 10)
	want("node_tid", 2, 5000)
	want("protocol", 1, 5000)
	want("direction", 2, 3000)
	if labels := w.LabelStats(); labels[0].Name != "initiator_port" {
		t.Errorf("first is %+v", labels[0])
	}
	if n := w.metric("skybridge_label_values", "node_tid"); n < 1 || n > 3 {
		t.Errorf("metric: %v", n)
	}
	w.wantMetric("skybridge_series_without_label", "direction", 3000)
	for i := range 20 {
		w.report(fmt.Sprint("c", i), 0)
		w.report(fmt.Sprint("c", i), 1)
	}
	want("node_tid", 2, 5000)
	w.pass(time.Minute)
	w.tick()
	want("node_tid", 22, 5000)

	w.endAll()
	cfg := w.cfg
	cfg.Labels = []string{"initiator_port", "protocol"}
	if err := w.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	if labels := w.LabelStats(); len(labels) != 2 {
		t.Errorf("after a reload: %v", labels)
	}
	for i := range 10 { // twice as many as there were: none
		w.report("d", i)
	}
	want("initiator_port", 10, 3)
	for i := range 20 {
		w.report("d", i)
	}
	want("initiator_port", 10, 3)
	w.report("d", 20)
	want("initiator_port", 21, 3)
}

// TestLabelStatsOfEqualValues proves that a value counts otherwise under another label:
// from 1 to 2 is not from 2 to 1.
func TestLabelStatsOfEqualValues(t *testing.T) {
	const ports = 40
	w := knownWorld(t, Config{Config: label.Config{Labels: []string{"initiator_port", "target_port"}}})
	for i := range int64(ports * ports) {
		f := w.flow(fmt.Sprintf("%x", i+1), 100, 0)
		f.TransportA, f.TransportB = i/ports, i%ports
		w.Update([]input.Flow{f})
	}
	labels := w.LabelStats()
	for _, l := range labels {
		if l.Values < 37 || l.Values > 43 || l.SeriesWithout < 72 || l.SeriesWithout > 88 {
			t.Errorf("%+v, want about 40 values and 80 series without", l)
		}
	}
}
