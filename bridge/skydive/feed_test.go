// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
)

func TestSubscribesAndDelivers(t *testing.T) {
	a := startAnalyzer(t, analyzer.Config{})
	// Without a path the URL means the flow feed.
	r := newRig(t, Config{Analyzers: []string{"ws://" + a.Addr()}, HostID: "me:9100"}).run(t)
	waitSubscribed(t, a, 1)
	r.waitUps(t, 1)

	s := a.Subscribers()[0]
	got := map[string][]string{}
	for _, k := range []string{"X-Host-Id", "X-Client-Type", "X-Client-Protocol", "X-Websocket-Namespace"} {
		got[k] = s.Header[k]
	}
	want := map[string][]string{
		"X-Host-Id": {"me:9100"}, "X-Client-Type": {"skybridge"}, "X-Client-Protocol": {"json"},
		"X-Websocket-Namespace": {"flow", "stats"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request headers\n%s", diff)
	}

	flows := make([]analyzer.Flow, 250)
	for i := range flows {
		flows[i] = flow(fmt.Sprint("u", i))
	}
	a.SendFlows(flows)
	a.SendStats(analyzer.Stats{CaptureID: "c", PacketsReceived: 9})
	r.waitFlow(t, "u249")
	await.Until(t, "stats", func() bool { r.sink.mu.Lock(); defer r.sink.mu.Unlock(); return len(r.sink.stats) == 1 })
	first := input.Flow{
		UUID: []byte("u0"), NodeTID: []byte("n"), CaptureID: []byte("c"), NetworkA: []byte("10.0.0.1"), NetworkB: []byte("10.0.0.2"),
		HasTransport: true, TransportProtocol: []byte("TCP"), TransportA: 40000, TransportB: 80, Start: 5,
		HasLastUpdate: true,
	}
	first.Metric.ABBytes, first.Metric.ABPackets = 10, 1
	first.LastUpdate = first.Metric
	first.LastUpdate.Start, first.LastUpdate.Last = 5, 6
	if diff := cmp.Diff(first, r.sink.flows[0], cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(input.CaptureStats{CaptureID: []byte("c"), PacketsReceived: 9}, r.sink.stats[0]); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]float64{
		"skybridge_updates_received_total": 250,
		"skybridge_messages_shed_total":    0,
	} {
		if got := r.metric(t, name); got != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	if got := r.metric(t, "skybridge_messages_received_total", "analyzer", a.URL()); got != 4 {
		t.Errorf("%v messages", got)
	}
	if got := r.metric(t, "skybridge_feed_connected", "analyzer", a.URL()); got != 1 {
		t.Errorf("connected is %v", got)
	}
	status := r.feed.Status()
	if len(status) != 1 || !status[0].Connected || status[0].Messages != 4 || status[0].Updates != 250 || status[0].Dropped != 0 || status[0].LastMessage.IsZero() || !r.feed.Subscribed() {
		t.Errorf("status %+v", status)
	}
	r.stop()
	if r.feed.Subscribed() {
		t.Error("still subscribed after its end")
	}
	want2 := []string{"down " + a.URL(), "up " + a.URL(), "down " + a.URL()}
	if diff := cmp.Diff(want2, r.sink.states); diff != "" {
		t.Error(diff)
	}
	if err := r.feed.Run(t.Context()); err == nil {
		t.Error("ran twice")
	}
}

func TestOnlyConfiguredCaptures(t *testing.T) {
	a := startAnalyzer(t, analyzer.Config{})
	r := newRig(t, Config{Analyzers: []string{a.URL()}, CaptureIDs: []string{"c1", "c2"}}).run(t)
	// Somebody else's namespace is none of ours.
	otherClient(t, a, "other", "flow")
	waitSubscribed(t, a, 2)
	r.waitUps(t, 1)
	if diff := cmp.Diff([]string{"flow", "flow/c1", "flow/c2", "stats"}, a.Namespaces()); diff != "" {
		t.Fatal(diff)
	}
	for _, c := range []string{"c1", "c3", "c2"} {
		f := flow("of " + c)
		f.CaptureID = c
		a.SendFlows([]analyzer.Flow{f})
	}
	r.waitFlow(t, "of c2")
	if !r.sink.seen("of c1") || r.sink.seen("of c3") || r.sink.received() != 2 {
		t.Errorf("got %v", r.sink.flows)
	}
}

func TestSeveralAnalyzers(t *testing.T) {
	a, b := startAnalyzer(t, analyzer.Config{}), startAnalyzer(t, analyzer.Config{})
	r := newRig(t, Config{Analyzers: []string{a.URL(), b.URL()}}).run(t)
	waitSubscribed(t, a, 1)
	waitSubscribed(t, b, 1)
	r.waitUps(t, 2)
	a.SendFlows([]analyzer.Flow{flow("a")})
	b.SendFlows([]analyzer.Flow{flow("b")})
	r.waitFlow(t, "a")
	r.waitFlow(t, "b")
	// One that dies leaves the other alone.
	b.Stop()
	await.Until(t, "b down", func() bool { return r.sink.count("down "+b.URL()) == 2 })
	a.SendFlows([]analyzer.Flow{flow("a2")})
	r.waitFlow(t, "a2")
	if !r.feed.Subscribed() || r.sink.count("down "+a.URL()) != 1 {
		t.Error("the other one's end ended it too")
	}
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	waitSubscribed(t, b, 1)
	b.SendFlows([]analyzer.Flow{flow("b2")})
	r.waitFlow(t, "b2")
	// The sink hears of one that a reload removes.
	if err := r.feed.Reload(Config{Analyzers: []string{a.URL()}, HostID: "bridge", Account: r.feed.cfg.Account}); err != nil {
		t.Fatal(err)
	}
	if r.sink.count("gone "+b.URL()) != 1 || r.sink.count("gone "+a.URL()) != 0 {
		t.Error("the sink does not know which analyzer was removed")
	}
}

// While the sink does not take anything, the readers continue: the analyzer is
// not stalled, what does not fit is dropped and counted, the rest arrives.
func TestSlowSinkDoesNotStallTheAnalyzer(t *testing.T) {
	a, r := subscribe(t, Config{}, func(f *Feed) { f.queue.maxBytes = 64 << 10 })
	release := r.sink.block()

	const messages = 200
	batch := make([]analyzer.Flow, 100)
	for i := range batch {
		batch[i] = flow("x")
	}
	for range messages {
		a.SendFlows(batch)
	}
	a.SendRaw([]byte(`{"Namespace":"end","Type":"end"}`))
	r.logs.WaitFor(t, "queue of undecoded messages is full")
	// Everything sent was read, though the sink has returned from nothing.
	await.Until(t, "the first call", func() bool { r.sink.mu.Lock(); defer r.sink.mu.Unlock(); return r.sink.calls == 1 })
	r.waitMetric(t, messages+1, "skybridge_messages_received_total", "analyzer", a.URL())
	release()
	dropped := r.metric(t, "skybridge_messages_shed_total")
	if got := r.feed.Status()[0].Dropped; float64(got) != dropped {
		t.Errorf("the status says %d dropped, the metric %v", got, dropped)
	}
	if dropped < messages/2 {
		t.Fatalf("only %v dropped", dropped)
	}
	await.Until(t, "what was not dropped", func() bool { return r.sink.received() >= 100 })
	r.stop()
	// The last message, of no meaning, may be among the dropped ones.
	got := float64(r.sink.received()) / 100
	if rest := messages - got; dropped != rest && dropped != rest+1 {
		t.Errorf("%v of %d messages arrived, %v were dropped", got, messages, dropped)
	}
	if n := strings.Count(r.logs.String(), "queue of undecoded"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if got := r.metric(t, "skybridge_feed_queue_bytes"); got != 0 {
		t.Errorf("the queue still holds %v bytes", got)
	}
}

func TestMalformedIsCountedAndLoggedOnce(t *testing.T) {
	a, r := subscribe(t, Config{})
	for range 3 {
		a.SendRaw([]byte(flowMessage(`[` + soundFlow + `,{"UUID":5},` + soundFlow + `]`)))
		a.SendRaw([]byte(flowMessage(`[` + soundFlow + `,`)))
		a.SendRaw([]byte("\x00\xff"))
		a.SendRaw([]byte(`{"Namespace":"Graph","Type":"SyncRequest","Obj":{}}`))
	}
	a.SendFlows([]analyzer.Flow{flow("last")})
	r.waitFlow(t, "last")
	for why, want := range map[string]float64{"malformed_flow": 3, "malformed_message": 6, "other_message": 3} {
		if got := r.metric(t, "skybridge_records_skipped_total", "reason", why); got != want {
			t.Errorf("%s: %v", why, got)
		}
	}
	if got := r.metric(t, "skybridge_updates_received_total"); got != 10 || r.sink.received() != 10 {
		t.Errorf("%v updates, %d delivered", got, r.sink.received())
	}
	if n := strings.Count(r.logs.String(), "what cannot be read"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, r.logs)
	}
	if got := r.sink.count("up"); got != 1 {
		t.Errorf("connected %d times", got)
	}
}
