// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/benchmarks/world"
	"github.com/skydive-project/skybridge/internal/loopback"
)

// memoryInterval is the push interval as shipped.
const memoryInterval = 15 * time.Second

// memory is the row of what a live connection takes: the bridge as shipped, updated,
// pushed and scraped; and what a flow takes that is only remembered.
func (r *report) memory(ctx context.Context) ([]line, error) {
	ours, err := r.memoryOurs(ctx)
	if err != nil {
		return nil, err
	}
	n := r.sizes.oldConnections
	theirs, err := r.fed(ctx, spec{Work: "ingest theirs", Connections: n, Warm: n, Updates: 2 * n, Begin: worldBegin})
	if err != nil {
		return nil, err
	}
	retained, err := r.work(ctx, spec{Work: "retained", Connections: r.sizes.retained, Begin: worldBegin})
	if err != nil {
		return nil, err
	}
	a, b := ours["per connection"], theirs["per connection"]
	million := 1e6 / float64(r.sizes.memoryConnections)
	// Below the full size what a process needs for itself is the larger part.
	fits := ours["most"] <= 1.2e9 || r.sizes.memoryConnections < 1_000_000
	return []line{{
		path: fmt.Sprintf("memory of %s live connections (5 series), one 2.0 endpoint, journal on, GOMEMLIMIT=%s", count(float64(r.sizes.memoryConnections)), memoryLimit(r.sizes.memoryConnections)),
		ours: fmt.Sprintf("%s B a connection: RSS %.0f MB at most, %.0f MB before any; %s samples pushed, %.0f scrapes, the longest %.1f s; %.2f of a core",
			count(a), ours["most"]/1e6, ours["base"]/1e6, count(ours["samples"]), ours["scrapes"], ours["longest scrape"], ours["cores"]),
		against: fmt.Sprintf("%s B, the old connector with %s", count(b), count(float64(n))),
		ratio:   times(b / a), bar: "1,000 B; 1.2 GB in all", reached: new(a <= 1000 && fits),
	}, {
		path: "the same: disk for a million connections",
		ours: fmt.Sprintf("%.2f MB/s written, %.0f MB there at the end", million*ours["written"]/1e6, million*ours["on disk"]/1e6),
	}, {
		path: "the same: network for a million connections",
		ours: fmt.Sprintf("%.1f MB/s from the analyzer, %.1f MB/s to the receiver in 2.0", million*ours["feed"]/1e6, million*ours["pushed"]/1e6),
	}, {
		path: fmt.Sprintf("memory of a flow that is only remembered (%s of them)", count(float64(r.sizes.retained))),
		ours: fmt.Sprintf("%.0f B", retained["per flow"]), bar: "120 B", reached: new(retained["per flow"] <= 120),
	}}, nil
}

// memoryLimit is the GOMEMLIMIT for n connections: 0.94 GB for a million.
func memoryLimit(n int) string { return fmt.Sprintf("%dMiB", max(128, n*900/1_000_000)) }

// memoryOurs runs the bridge's own binary.
func (r *report) memoryOurs(ctx context.Context) (_ values, err error) {
	if r.bridge == "" {
		return nil, errors.New("the bridge's binary is needed: name it with -skybridge (make build makes it)")
	}
	dir, remove, err := r.disk()
	if err != nil {
		return nil, err
	}
	defer remove()
	to, err := startReceiver()
	if err != nil {
		return nil, err
	}
	defer to.stop()
	feed, err := startFeed()
	if err != nil {
		return nil, err
	}
	defer feed.stop()
	s := spec{Dir: dir, Connections: r.sizes.memoryConnections, Interval: min(memoryInterval, r.sizes.memoryFor/4), Feed: feed.url(), Receiver: writeURL(to.address()), Version2: true}
	b, err := r.startBridge(ctx, &s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	subscriber, err := feed.next(ctx, nil)
	if err != nil {
		return nil, err
	}
	base, _, err := resident(b.command.Process.Pid)
	if err != nil {
		return nil, err
	}
	out := values{"base": base}
	if err := r.live(ctx, &s, b, subscriber, to, out); err != nil {
		return nil, err
	}
	_, most, err := resident(b.command.Process.Pid)
	if err != nil {
		return nil, err
	}
	got, err := to.seen()
	if err != nil {
		return nil, err
	}
	if want := int64(5 * s.Connections); got.samples < 2*want {
		return nil, fmt.Errorf("only %d samples were pushed: that is not two ticks of %d series", got.samples, want)
	}
	out["samples"], out["most"] = float64(got.samples), most
	out["per connection"] = (most - base) / float64(s.Connections)
	return out, nil
}

// live lets all connections begin and then report once a minute, while the bridge is
// scraped.
func (r *report) live(ctx context.Context, s *spec, b *process, subscriber *subscriber, to *receiver, out values) error {
	w := world.World{Begin: time.Now().Add(-time.Minute).UnixMilli()}
	round, err := sendPaced(ctx, &w, subscriber, s.Connections, 0, arrivals, 0)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var scraping sync.WaitGroup
	var scraped error
	scraping.Go(func() { scraped = b.scrapeEvery(ctx, s.Interval, out) })
	began, sentBefore, was := time.Now(), subscriber.sent, b.usage(to)
	_, err = sendPaced(ctx, &w, subscriber, s.Connections, round, max(1, s.Connections/60), r.sizes.memoryFor)
	seconds, now := time.Since(began).Seconds(), b.usage(to)
	for name, v := range now {
		out[name] = (v - was[name]) / seconds
	}
	out["feed"] = float64(subscriber.sent-sentBefore) / seconds
	out["on disk"] = diskUsed(s.Dir)
	cancel()
	scraping.Wait()
	if err := errors.Join(err, scraped); err != nil {
		return err
	}
	return b.check(s.Connections)
}

// process is a bridge of its own binary.
type process struct {
	command *exec.Cmd
	address string
}

func (r *report) startBridge(ctx context.Context, s *spec) (*process, error) {
	file, err := bridgeConfig(s)
	if err != nil {
		return nil, err
	}
	b := &process{address: loopback.Address()}
	b.command = exec.CommandContext(ctx, r.bridge, "--config.file="+file, "--storage.path="+filepath.Join(s.Dir, "storage"),
		"--web.listen-address="+b.address, "--log.level=warn")
	b.command.Env = append(os.Environ(), "GOMEMLIMIT="+memoryLimit(s.Connections))
	b.command.Stderr = r.progress
	if err := b.command.Start(); err != nil {
		return nil, fmt.Errorf("start the bridge: %w", err)
	}
	return b, nil
}

// stop ends the bridge as a service manager does.
func (b *process) stop() error {
	_ = b.command.Process.Signal(syscall.SIGTERM) // it may have ended
	if err := b.command.Wait(); err != nil {
		return fmt.Errorf("the bridge: %w", err)
	}
	return nil
}

// usage is what it has used so far: cores' time, bytes written to disk, bytes pushed.
func (b *process) usage(to *receiver) values {
	got, _ := to.seen() // an error of the receiver's is found by who waits for it
	var written float64
	_, _ = fmt.Sscan(field(fmt.Sprintf("/proc/%d/io", b.command.Process.Pid), "write_bytes"), &written)
	return values{"cores": b.cpu().Seconds(), "written": written, "pushed": float64(got.bytes)}
}

// diskUsed is how many bytes lie in the files of a directory.
func diskUsed(dir string) (size float64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // it was removed meanwhile
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			size += float64(info.Size())
		}
		return nil
	})
	return size
}

// cpu is what it has used so far, 0 where that cannot be known: a process that is not
// waited for yet has no rusage.
func (b *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.command.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0
	}
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ
}

// scrapeEvery gets the page of connections, in turns plain and compressed.
func (b *process) scrapeEvery(ctx context.Context, interval time.Duration, out values) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		began := time.Now()
		if _, err := b.page(ctx, "collect[]=connections", encodings()[n%2], io.Discard); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		out["scrapes"]++
		out["longest scrape"] = max(out["longest scrape"], time.Since(began).Seconds())
	}
}

func (b *process) page(ctx context.Context, query, encoding string, to io.Writer) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.address+"/metrics?"+query, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept-Encoding", encoding)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("scrape: %w", err)
	}
	defer answer.Body.Close()
	n, err := io.Copy(to, answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return n, fmt.Errorf("scrape: status %s after %d bytes: %w", answer.Status, n, err)
	}
	return n, nil
}

// check asks the bridge whether it has everything that it was sent.
func (b *process) check(connections int) error {
	var text strings.Builder
	if _, err := b.page(context.Background(), "collect[]=self", "identity", &text); err != nil {
		return err
	}
	for metric, want := range map[string]float64{"skybridge_series": float64(5 * connections), "skybridge_messages_shed_total": 0} {
		var got float64
		found := false
		for l := range strings.Lines(text.String()) {
			if strings.HasPrefix(l, metric+" ") {
				_, err := fmt.Sscan(l[len(metric):], &got)
				found = err == nil
			}
		}
		if !found || got != want {
			return fmt.Errorf("the bridge has %s %v, want %v: the run is worthless", metric, got, want)
		}
	}
	return nil
}

// retained measures what flows take whose tuple is not theirs alone: many flows of one
// tuple.
func (w *worker) retained(context.Context) (values, error) {
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped", Help: "Records that do not count."}, []string{"reason"})
	a, err := aggregator.New(aggregation(w.Connections), time.Now, prometheus.NewRegistry(), skipped, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	a.AnalyzerUp("a")
	var flows world.Flows
	crowd := world.World{Begin: w.Begin, Nodes: 1}
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	flows.Fill(&crowd, 0, world.MessageFlows, 0)
	before := heap()
	for id := 0; id < w.Connections; id += world.MessageFlows {
		part := flows.Fill(&crowd, id, min(world.MessageFlows, w.Connections-id), 0)
		for i := range part {
			part[i].NetworkA, part[i].NetworkB, part[i].TransportA = []byte("10.0.0.1"), []byte("10.0.0.2"), 1
		}
		a.Update(part)
	}
	after := heap()
	if status := a.Status(); status.Flows != w.Connections || status.Series != 5 {
		return nil, fmt.Errorf("%d flows and %d series, want %d and 5", status.Flows, status.Series, w.Connections)
	}
	return values{"per flow": (after - before) / float64(w.Connections)}, nil
}
