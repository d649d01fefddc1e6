// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/receiver"
)

// bridgeRunner runs a bridge, one life after the other.
type bridgeRunner interface {
	start(context.Context)
	kill()         // the worst that can happen to this kind of process
	terminate()    // SIGTERM, which takes as long as receivers make it
	reload()       // SIGHUP
	check() bool   // whether it has ended as terminate wants; else the test fails
	left() bool    // whether the life that has ended left something to push
	running() bool // or starting, or stopping
	up() bool      // obeys terminate and reload, and has an URL
	url() string
}

// world is a bridge with two analyzers of Skydive's own server code and two
// receivers, which check every duty of a sender; the first one passes what it stores
// on to a real Prometheus.
type world struct {
	t     *testing.T
	ctx   context.Context
	rng   *rand.Rand
	began time.Time

	analyzers []*analyzer.Analyzer
	prom      *prom.Server
	next      http.Handler // the Prometheus, or what stands before it
	receivers [targets]*receiver.Receiver
	gates     [targets]*gate // the way to them in this life of the bridge
	faults    [targets]*faults
	messages  [targets]string       // protobuf_message
	tokens    *receiver.TokenServer // of the second receiver
	otherHost *otherHost
	scenario  *scenario

	bridge  bridgeRunner
	process *process // nil: it is a machine
	config  string
	storage string
	logs    *logs
	// generations count renames: of all series, and for each receiver.
	generation  int
	generations [targets]int
	reloads     int
	lives       int
	markers     int
}

// newWorld builds everything but the bridge.
func newWorld(t *testing.T, seed uint64, connections int, length time.Duration) *world {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+length)
	t.Cleanup(cancel)
	w := &world{
		t: t, ctx: ctx, rng: rand.New(rand.NewPCG(seed, 4)), began: time.Now(),
		config: filepath.Join(t.TempDir(), "skybridge.yml"), storage: filepath.Join(t.TempDir(), "storage"), logs: &logs{},
	}
	w.tokens, w.otherHost = receiver.StartTokens(time.Second), newOtherHost(t)
	t.Cleanup(w.tokens.Close)
	for i := range targets {
		a, err := analyzer.Start(analyzer.Config{HostID: fmt.Sprintf("analyzer-%d", i)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Stop)
		w.analyzers = append(w.analyzers, a)
		w.faults[i] = newFaults(seed+uint64(i), w.otherHost.url())
		w.messages[i] = []string{"auto", "auto", "prometheus.WriteRequest", "io.prometheus.write.v2.Request"}[w.rng.IntN(4)]
	}
	var err error
	if w.prom, err = prom.Start(prom.Options{KeepLive: time.Second}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.prom.Close() })
	w.next = w.prom.Handler()
	for i, next := range [targets]http.Handler{http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.next.ServeHTTP(rw, r) }), nil} {
		w.receivers[i] = receiver.New(receiver.Config{Fail: func(_ int, r *http.Request) receiver.Fault { return w.faults[i].fault(r) }, Next: next})
		t.Cleanup(w.receivers[i].Close)
		w.gates[i] = newGate(t, w.receivers[i])
	}
	w.scenario = newScenario(seed, connections, length, w.analyzers)
	return w
}

// asProcess makes the bridge the binary in a process of its own.
func (w *world) asProcess() {
	w.process = newProcess(w.t, w.config, w.storage, w.logs)
	w.bridge = w.process
}

// asMachine makes the bridge one whose disk loses power.
func (w *world) asMachine(seed uint64) {
	w.bridge = newMachine(w.t, w.config, seed, w.logs, func() {
		for _, g := range w.gates {
			g.becomeBlackhole()
		}
	})
}

// configure writes the configuration, in one piece.
func (w *world) configure() {
	labels := func(name string, generation int) string {
		if generation == 0 {
			return "{}"
		}
		return fmt.Sprintf("{%s: '%d'}", name, generation)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "global: {push_interval: 1s, external_labels: %s}\n", labels("generation", w.generation))
	fmt.Fprintf(&b, "skydive:\n  host_id: chaos\n  silence_timeout: 10s\n  analyzers: [%s, %s]\n", w.analyzers[0].URL(), w.analyzers[1].URL())
	// Connections end and return all the time.
	view := w.scenario.reference.View
	fmt.Fprintf(&b, "aggregation: {connection_timeout: 1s, max_flows: %d, tunnels: %s, portless: %s}\nremote_write:\n", 1_000_000+w.reloads, view.Tunnels, view.Portless)
	for i, name := range []string{"prometheus", "receiver"} {
		fmt.Fprintf(&b, "  - name: %s\n    url: %s?sig=%s;v=1\n    remote_timeout: %s\n    protobuf_message: %s\n    external_labels: %s\n", name,
			w.gates[i].url(), urlSecret, patience, w.messages[i], labels("lane", w.generations[i]))
		fmt.Fprintf(&b, "    queue_config: {max_samples_per_send: 200, max_backoff: 200ms, max_shards: 4}\n    headers: {X-Api-Key: %s}\n", apiKey)
	}
	fmt.Fprintf(&b, "    oauth2: {client_id: chaos, client_secret: %s, token_url: '%s'}\n", clientSecret, w.tokens.URL())
	next := w.config + ".next"
	if err := os.WriteFile(next, []byte(b.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(next, w.config); err != nil {
		w.t.Fatal(err)
	}
}

// start begins a life of the bridge.
func (w *world) start() {
	w.lives++
	w.configure()
	w.bridge.start(w.ctx)
}

// ended is what is to be done between two lives of the bridge: what the former
// one had sent has arrived, and the next one may send some of it again.
func (w *world) ended() {
	for i, former := range w.gates {
		if w.process != nil {
			former.settle(w.t)
			continue
		}
		// The dead do not know that they are. They keep their gates, open ones, and so
		// soon have nothing left to send.
		former.becomeBlackhole()
		former.open(w.t)
		w.gates[i] = newGate(w.t, w.receivers[i])
		if !former.wasOpen {
			w.gates[i].shut()
		}
	}
	for _, r := range w.receivers {
		r.Restarted()
	}
}

// await waits until ok, and fails when the bridge ends meanwhile.
func (w *world) await(ok func() (bool, string)) {
	w.t.Helper()
	if err := await.Wait(w.ctx, func() (bool, string) { w.bridge.check(); return ok() }); err != nil {
		w.t.Fatalf("%v\n%s", err, w.logs)
	}
}

func (w *world) awaitUp() {
	w.t.Helper()
	w.await(func() (bool, string) { return w.bridge.up(), "the bridge does not answer" })
}

// page reads a page of the bridge, on a connection of its own.
func (w *world) page(path string) (string, error) {
	text, _, err := await.Page(w.ctx, w.bridge.url()+path, "")
	return text, err
}

// awaitTicks waits until the bridge has sampled n more ticks.
func (w *world) awaitTicks(n float64) {
	w.t.Helper()
	var first float64 = -1
	w.await(func() (bool, string) {
		now, err := await.Scrape(w.ctx, w.bridge.url(), "skybridge_ticks_total")
		if err == nil && first < 0 {
			first = now
		}
		return err == nil && now >= first+n, fmt.Sprintf("%v ticks of %v, %v", now-first, n, err)
	})
}

// subscribed says that what the analyzers send reaches the bridge.
func (w *world) subscribed() bool {
	for _, a := range w.analyzers {
		if len(a.Subscribers()) != 1 || len(a.Namespaces()) != 2 {
			return false
		}
	}
	return true
}

// open starts the bridge and says hello to it: what lived before the bridge came
// must be told from what begins. It returns when all of that is durable.
func (w *world) open() {
	w.t.Helper()
	w.start()
	w.awaitUp()
	w.until(func() bool {
		return w.heard(func() {
			for _, m := range w.scenario.hello {
				w.scenario.send(m)
			}
		})
	})
	w.awaitTicks(2)
}

// close calms everything, has every flow reported once more, and stops the bridge.
func (w *world) close() {
	w.t.Helper()
	w.until(func() bool {
		return w.heard(func() { w.scenario.report(append(w.scenario.last[:0:0], w.scenario.last...)) })
	})
	for _, path := range []string{"/", "/api/v1/status", "/metrics"} {
		text, err := w.page(path)
		if found := leaked(text); err != nil || len(found) > 0 {
			w.t.Errorf("%s shows the secrets %q (%v)", path, found, err)
		}
	}
	w.stop()
}

// stop stops the bridge in order. What receivers did not take before its deadline,
// on a machine that is busy, is for its next lives to push, as it says.
func (w *world) stop() {
	w.t.Helper()
	w.endLife()
	for w.bridge.left() {
		w.start()
		w.awaitUp()
		w.endLife()
	}
}

// endLife stops the bridge as its service manager does.
func (w *world) endLife() {
	w.t.Helper()
	w.bridge.terminate()
	if err := await.Wait(w.ctx, func() (bool, string) { return w.bridge.check(), "the bridge does not stop" }); err != nil {
		w.t.Fatalf("%v\n%s", err, w.logs)
	}
	w.ended()
}

// until waits until ok.
func (w *world) until(ok func() bool) {
	w.t.Helper()
	w.await(func() (bool, string) { return ok(), "the bridge has not heard everything" })
}

// heard lets the analyzers say something, and returns whether the bridge has
// heard all of it: it was subscribed all the time, and has what came after it.
func (w *world) heard(say func()) bool {
	w.t.Helper()
	w.await(func() (bool, string) {
		w.scenario.beat("alive") // a feed that is silent while we wait would be left
		return w.subscribed(), fmt.Sprintf("not subscribed: %v %v, %v %v", w.analyzers[0].Subscribers(), w.analyzers[0].Namespaces(), w.analyzers[1].Subscribers(), w.analyzers[1].Namespaces())
	})
	accepted := [targets]int{w.analyzers[0].Accepted(), w.analyzers[1].Accepted()}
	say()
	w.markers++
	marker := func(i int) string { return fmt.Sprintf("marker-%d-%d", w.markers, i) }
	for i, a := range w.analyzers {
		a.SendStats(analyzer.Stats{CaptureID: marker(i), FlowCount: 1})
	}
	lost := false
	w.await(func() (bool, string) {
		w.scenario.beat("alive")
		for i, a := range w.analyzers {
			if !w.subscribed() || a.Accepted() != accepted[i] {
				lost = true
				return true, ""
			}
		}
		text, err := w.page("/metrics?collect[]=captures")
		for i := range w.analyzers {
			if err != nil || !strings.Contains(text, marker(i)) {
				return false, fmt.Sprintf("%s has not arrived (%v)", marker(i), err)
			}
		}
		return true, ""
	})
	return !lost
}
