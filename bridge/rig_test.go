// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/skydive-project/skybridge/bridge/notify"
	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/leaks"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

func TestMain(m *testing.M) {
	leaks.Main(m, nil,
		// Idle connections of http.DefaultClient, with which the judge reads pages.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// rig is a bridge with its world: analyzers of Skydive's own server code and a
// real Prometheus.
type rig struct {
	judge.Feed
	t      *testing.T
	ctx    context.Context
	prom   *prom.Server
	began  time.Time
	config string // path
	dir    string // storage path, "" none
	url    string // of the bridge
	reload chan os.Signal
	logs   *logs
	stop   context.CancelFunc
	done   chan error
	plays  uint64
	// address is the flag of the listener; empty leaves it to the file.
	address string
	// service is notified of the bridge's status, fs is the disk of dir; nil: no one, the
	// system's own.
	service *notify.Service
	fs      disk.FS
	timing  timing
	// names has the analyzers' addresses under another name in the configuration.
	names access.Resolver
}

// newRig starts analyzers and a Prometheus, beside those of other tests. The
// bridge starts with start.
func newRig(t *testing.T, analyzers int, options prom.Options) *rig {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	t.Cleanup(cancel)
	r := &rig{
		t: t, ctx: ctx, began: time.Now(),
		config: filepath.Join(t.TempDir(), "skybridge.yml"),
		reload: make(chan os.Signal), address: "127.0.0.1:0",
		logs: &logs{},
	}
	r.Reference = reference.New()
	for range analyzers {
		a, err := analyzer.Start(analyzer.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Stop)
		r.Analyzers = append(r.Analyzers, a)
	}
	if options.KeepLive == 0 {
		options.KeepLive = time.Second
	}
	r.prom = startProm(t, options)
	return r
}

// configure writes the configuration: the analyzers, a push every second, the
// Prometheus, and what is added.
func (r *rig) configure(global, rest string) {
	var b strings.Builder
	fmt.Fprintf(&b, "global: {push_interval: 1s%s}\nskydive:\n  analyzers:\n", global)
	for _, a := range r.Analyzers {
		if r.names == nil {
			fmt.Fprintf(&b, "    - %s\n", a.URL())
		}
	}
	if r.names != nil {
		b.WriteString("    - dnssrv+ws://analyzers.example\n")
	}
	if !strings.Contains(rest, "remote_write:") {
		fmt.Fprintf(&b, "remote_write:\n  - url: %s\n", r.prom.WriteURL())
	}
	b.WriteString(rest)
	if err := os.WriteFile(r.config, []byte(b.String()), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// start runs the bridge until halt or the end of the test, and waits until it
// is subscribed to every analyzer. One before it has to be gone for them, too.
func (r *rig) start() {
	r.awaitSubscribers(0)
	ctx, stop := context.WithCancel(r.ctx)
	r.stop, r.done = stop, make(chan error, 1)
	listening := make(chan string, 1)
	options := Options{
		ConfigFile:      r.config,
		StoragePath:     r.dir,
		StorageFS:       r.fs,
		timing:          r.timing,
		resolver:        r.names,
		Service:         r.service,
		ListenAddresses: strings.Fields(r.address), // without one, the file's
		EnableLifecycle: true,
		Logger:          slog.New(slog.NewTextHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Reload:          r.reload,
		Listening:       func(address string) { listening <- "http://" + address },
	}
	r.Sent = 0 // by the count of this process
	done := r.done
	go func() { done <- Run(ctx, options) }()
	r.t.Cleanup(func() { r.halt() })
	select {
	case r.url = <-listening:
	case err := <-r.done:
		r.stop = nil
		r.t.Fatalf("the bridge did not start: %v", err)
	}
	r.awaitSubscribers(1)
}

// startedRig is a rig whose bridge runs with nothing added to its configuration.
func startedRig(t *testing.T, analyzers int) *rig {
	r := newRig(t, analyzers, prom.Options{})
	r.configure("", "")
	r.start()
	return r
}

// startProm starts a Prometheus for the length of the test.
func startProm(t *testing.T, options prom.Options) *prom.Server {
	server, err := prom.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

func (r *rig) send(messages ...script.Message) {
	for _, m := range messages {
		r.Send(m)
	}
}

// page returns a page of the bridge.
func (r *rig) page(path string) string {
	r.t.Helper()
	page, _, err := await.Page(r.ctx, r.url+path, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return page
}

// metric returns one of the bridge's own metrics.
func (r *rig) metric(name string) float64 {
	r.t.Helper()
	value, err := await.Scrape(r.ctx, r.url, name)
	if err != nil {
		r.t.Fatal(err)
	}
	return value
}

func (r *rig) awaitSubscribers(n int) {
	r.t.Helper()
	for _, a := range r.Analyzers {
		if err := a.WaitSubscribers(r.ctx, n); err != nil {
			r.t.Fatalf("want %d subscribers: %v\n%s", n, err, r.logs)
		}
	}
}

// halt stops the bridge as SIGTERM does and waits for it. Only the first call
// does.
func (r *rig) halt() {
	if r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	if err := <-r.done; err != nil {
		r.t.Errorf("the bridge ended with %v\n%s", err, r.logs)
	}
}

func (r *rig) awaitReceived() {
	r.t.Helper()
	if err := r.WaitReceived(r.ctx, r.url); err != nil {
		r.t.Fatalf("%v\n%s", err, r.logs)
	}
}

// await waits until ok, or fails with what it said last.
func (r *rig) await(ok func() (bool, string)) {
	r.t.Helper()
	if err := await.Wait(r.ctx, ok); err != nil {
		r.t.Fatalf("%v\n%s", err, r.logs)
	}
}

// awaitTicks waits until n more ticks were sampled and every receiver has them.
func (r *rig) awaitTicks(n int) {
	r.t.Helper()
	if err := judge.WaitTicks(r.ctx, r.url, n); err != nil {
		r.t.Fatalf("%v\n%s", err, r.logs)
	}
}

// raw returns what the Prometheus holds of the judged counters.
func (r *rig) raw() []prom.Series {
	r.t.Helper()
	return r.stored(r.prom, judge.Selector)
}

// stored returns what a Prometheus holds of the selected series.
func (r *rig) stored(server *prom.Server, selector string) []prom.Series {
	r.t.Helper()
	series, err := server.RawSeries(r.ctx, selector, r.began.Add(-time.Minute), time.Now().Add(time.Minute))
	if err != nil {
		r.t.Fatal(err)
	}
	return series
}

// ended reports whether the last incarnation of a series has its stale marker.
func ended(s prom.Series) bool {
	lives := prom.Incarnations(s.Samples)
	return lives[len(lives)-1].Ended()
}

// golden holds a text against a golden file, which -update writes.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got, write it again with -update):\n%s", file, diff)
	}
}

// judgeExact holds what the receiver stored against the reference, by all three
// judges: raw samples from the storage, raw samples by the query API, and
// PromQL's anchored increase.
func (r *rig) judgeExact() {
	r.t.Helper()
	want := r.Reference.Totals()
	if len(want) == 0 {
		r.t.Fatal("the reference has no series: nothing was judged")
	}
	if diff := judge.Diff(want, judge.Sums(r.raw())); diff != "" {
		r.t.Errorf("raw samples differ from what was reported:\n%s", diff)
	}
	byAPI, err := r.prom.Client().RawSeries(r.ctx, judge.Selector, r.began.Add(-time.Minute), time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	if diff := judge.Diff(want, judge.Sums(byAPI)); diff != "" {
		r.t.Errorf("raw samples by the query API differ from what was reported:\n%s", diff)
	}
	if diff := judge.Diff(want, r.anchored()); diff != "" {
		r.t.Errorf("increase(… anchored) differs from what was reported:\n%s", diff)
	}
	r.judgeWrites()
	for _, s := range r.raw() {
		for i, life := range prom.Incarnations(s.Samples) {
			if !life.FromZero() {
				r.t.Errorf("%v: incarnation %d does not begin with 0: %v", s.Labels, i, life.Samples)
			}
		}
	}
}

// anchored returns PromQL's anchored increase of each counter, those that grew, by their
// names with the default labels.
func (r *rig) anchored() map[string]uint64 {
	r.t.Helper()
	sums := map[string]uint64{}
	for _, metric := range []string{"bytes", "packets"} {
		series, err := r.prom.Client().AnchoredIncrease(r.ctx, "skydive_network_connection_total_"+metric, r.began.Add(-time.Minute), time.Now())
		if err != nil {
			r.t.Fatal(err)
		}
		for _, s := range series {
			if v := s.Samples[0].Value(); v != 0 {
				sums[reference.Name(metric, s.Labels.Map(), reference.DefaultLabels())] += uint64(v)
			}
		}
	}
	return sums
}

// judgeTotal holds the bytes over all series against what was reported, whatever
// they were called, and proves that nothing was refused.
func (r *rig) judgeTotal() {
	r.t.Helper()
	if ok, words := r.totalArrived(); !ok {
		r.t.Error(words)
	}
	r.judgeWrites()
}

// totalArrived reports whether the receiver has that sum, and what it is.
func (r *rig) totalArrived() (bool, string) {
	want, got := r.Reference.By(r.Reference.View)["bytes{}"], judge.SumsBy(r.raw())["bytes{}"]
	return want > 0 && want == got, fmt.Sprintf("%d bytes over all series, want %d", got, want)
}

// judgeWrites proves that the receiver refused nothing.
func (r *rig) judgeWrites() {
	r.t.Helper()
	if refused := r.prom.Refused(); len(refused) > 0 {
		r.t.Errorf("%d requests were refused: %q", len(refused), refused)
	}
}
