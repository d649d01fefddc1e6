// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// play sends a small feed, another one each time, and waits until all of it was
// pushed. Agents' clocks continue from the feed before.
func (r *rig) play(connections int) {
	r.t.Helper()
	r.report(connections)
	r.awaitTicks(2)
}

// report sends such a feed and waits until the bridge has counted it.
func (r *rig) report(connections int) {
	r.t.Helper()
	const steps, step = 6, 10_000
	now := r.began.UnixMilli() + int64(r.plays)*(steps+1)*step
	r.plays++
	feed := script.Write(script.Options{Seed: r.plays, Connections: connections, Steps: steps, Step: step, Analyzers: len(r.Analyzers), Now: now})
	r.send(feed.Hello...)
	r.awaitReceived()
	for _, messages := range feed.Steps {
		r.send(messages...)
	}
	r.awaitReceived()
}

// TestPageEqualsPush reads the scrape page with Prometheus' own parser, in both
// formats, and holds it against the last values that were pushed.
func TestPageEqualsPush(t *testing.T) {
	r := startedRig(t, 1)
	r.play(100)
	pushed := judge.Last(r.raw())
	for _, accept := range []string{"text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0"} {
		page, contentType, err := await.Page(r.ctx, r.url+"/metrics", accept)
		if err != nil {
			t.Fatal(err)
		}
		if diff := judge.Diff(pushed, parsePage(t, page, contentType)); diff != "" {
			t.Errorf("%s differs from the last push:\n%s", contentType, diff)
		}
	}
}

// parsePage returns the judged counters of a page.
func parsePage(t *testing.T, page, contentType string) map[string]uint64 {
	t.Helper()
	parser, err := textparse.New([]byte(page), contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]uint64{}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return values
		}
		if err != nil {
			t.Fatalf("%s: %v", contentType, err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := parser.Series()
		var l labels.Labels
		parser.Labels(&l)
		if strings.HasPrefix(l.Get("__name__"), "skydive_network_connection_total_") {
			values[judge.Name(l, reference.DefaultLabels())] = uint64(value)
		}
	}
}

// TestRateOfAConnectionReportedOnce is what a user sees: the rate of a
// connection that was reported a single time is not 0.
func TestRateOfAConnectionReportedOnce(t *testing.T) {
	r := startedRig(t, 1)
	r.awaitTicks(2) // counters begin from here on
	now := time.Now().UnixMilli()
	m := &analyzer.Metric{ABBytes: 6000, ABPackets: 6, Start: now - 1000, Last: now}
	r.Send(script.Message{Flows: []analyzer.Flow{{
		UUID: "1", NodeTID: "n", CaptureID: "c", Start: now - 1000, Metric: m, LastUpdateMetric: m,
		Network:   &analyzer.Layer{Protocol: "IPV4", A: "10.0.0.1", B: "10.0.0.2"},
		Transport: &analyzer.Transport{Protocol: "TCP", A: 40000, B: 80},
	}}})
	r.awaitReceived()
	r.awaitTicks(2)
	found, err := r.prom.Client().Query(r.ctx, `rate(skydive_network_connection_total_bytes{direction="initiator_to_target"}[1m])`, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Samples[0].Value() <= 0 {
		t.Errorf("rate is %v, want one positive value", found)
	}
	r.halt()
	r.judgeExact()
}

func TestCapturesArePushedAndServed(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.configure("", "topology: {refresh_interval: 1s}\n")
	r.start()
	// Nothing of what these say of packets is true.
	r.Analyzers[0].SendStats(analyzer.Stats{CaptureID: "c1", FlowCount: 3, FlowDropped: 4, PacketsReceived: 2400, PacketsDropped: 70})
	r.Analyzers[0].SendStats(analyzer.Stats{CaptureID: "c1", FlowCount: 3, FlowDropped: 3, PacketsReceived: 1250})
	served := func(want string) (bool, string) {
		page, _, err := await.Page(r.ctx, r.url+"/metrics?collect[]=captures", "")
		return err == nil && strings.Contains(page, want), fmt.Sprint(page, err)
	}
	received := 250
	packets := `skydive_capture_packets_received_total{capture_id="c1"} `
	r.await(func() (bool, string) { // they are there once they change
		received++
		r.Analyzers[0].SetTopology([]json.RawMessage{fmt.Appendf(nil, `{"ID":"n","Metadata":{"TID":"t","Captures":[
			{"PacketsReceived":%d,"PacketsDropped":8,"PacketsIfDropped":0,"ID":"c1","State":"active","Type":"pcap"}]}}`, received)}, nil)
		return served(packets)
	})
	packets += fmt.Sprintln(received)
	r.await(func() (bool, string) { return served(packets) })
	r.awaitTicks(1)
	series, err := r.prom.RawSeries(r.ctx, "skydive_capture_flows_dropped_total", r.began.Add(-time.Minute), time.Now().Add(time.Minute))
	if err != nil || len(series) != 1 || receiver.Increase(series[0].Samples) != 7 {
		t.Errorf("dropped flows pushed: %v (%v), want an increase of 7", series, err)
	}
}
