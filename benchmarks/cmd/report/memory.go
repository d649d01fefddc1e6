// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/benchmarks/world"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/loopback"
)

// memory is the row of what a live connection takes: the bridge as shipped, updated,
// pushed and scraped.
func (r *report) memory(ctx context.Context) ([]line, error) {
	ours, err := r.memoryOurs(ctx)
	if err != nil {
		return nil, err
	}
	old, err := r.fed(ctx, spec{Work: "old", Connections: r.sizes.oldConnections, Rounds: 1})
	if err != nil {
		return nil, err
	}
	a, b := ours["per connection"], old["per connection"]
	million := 1e6 / float64(r.sizes.memoryConnections)
	// Below the full size what a process needs for itself is the larger part.
	fits := ours["most"] <= 1.2e9 || r.sizes.memoryConnections < 1_000_000
	return []line{{
		path: fmt.Sprintf("memory of %s live connections (5 series), one 2.0 endpoint, journal on, GOMEMLIMIT=%s", count(float64(r.sizes.memoryConnections)), memoryLimit(r.sizes.memoryConnections)),
		ours: fmt.Sprintf("%s B a connection: RSS %.0f MB at most, %.0f MB before any; %s samples pushed, %.0f scrapes, the longest %.1f s; %.2f of a core",
			count(a), ours["most"]/1e6, ours["base"]/1e6, count(ours["samples"]), ours["scrapes"], ours["longest scrape"], ours["cores"]),
		against: fmt.Sprintf("%s B, the old connector with %s", count(b), count(float64(r.sizes.oldConnections))),
		ratio:   times(b / a), bar: "1,000 B; 1.2 GB in all", reached: new(a <= 1000 && fits),
	}, {
		path: "the same: disk for a million connections",
		ours: fmt.Sprintf("%.2f MB/s written, %.0f MB on disk at the end", million*ours["written"]/1e6, million*ours["on disk"]/1e6),
	}, {
		path: "the same: network for a million connections",
		ours: fmt.Sprintf("%.1f MB/s from the analyzer, %.1f MB/s to the receiver in 2.0", ours["feed"]/1e6, million*ours["pushed"]/1e6),
	}}, nil
}

// memoryLimit is the GOMEMLIMIT for n connections: 0.94 GB for a million.
func memoryLimit(n int) string { return fmt.Sprintf("%dMiB", max(128, n*900/1_000_000)) }

// arrivals is how many connections a second begin: no bridge drops any of it.
const arrivals = 60_000

func (r *report) memoryOurs(ctx context.Context) (_ values, err error) {
	dir, remove, err := r.disk()
	if err != nil {
		return nil, err
	}
	defer remove()
	feed, err := analyzer.Start(analyzer.Config{})
	if err != nil {
		return nil, err
	}
	defer feed.Stop()
	to := startReceiver()
	defer to.server.Close()
	n := r.sizes.memoryConnections
	// The push interval is as shipped.
	s := spec{Dir: dir, Connections: n, Interval: min(15*time.Second, r.sizes.memoryFor/4), Feed: feed.URL(), Receiver: to.url(), Version2: true}
	b, url, err := r.startBridge(ctx, s, "GOMEMLIMIT="+memoryLimit(n))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	if err := feed.WaitSubscribers(ctx, 1); err != nil {
		return nil, err
	}
	v := values{}
	if v["base"], _, err = resident(b.pid()); err != nil {
		return nil, err
	}
	begin := time.Now().Add(-time.Minute).UnixMilli()
	if err := send(ctx, feed, begin, n, 0, arrivals); err != nil {
		return nil, err
	}
	// From now on each connection reports once a minute.
	scraping, cancel := context.WithCancel(ctx)
	defer cancel()
	var beside sync.WaitGroup
	var scraped error
	beside.Go(func() { scraped = scrapeEvery(scraping, url, s.Interval, v) })
	was, began := usage(b, to), time.Now()
	for round := 1; err == nil && time.Since(began) < r.sizes.memoryFor; round++ {
		live, stop := context.WithDeadline(ctx, began.Add(r.sizes.memoryFor))
		if err = send(live, feed, begin, n, round, max(1, n/60)); live.Err() != nil && ctx.Err() == nil {
			err = nil // the time is over
		}
		stop()
	}
	seconds := time.Since(began).Seconds()
	now := usage(b, to)
	cancel()
	beside.Wait()
	if err := errors.Join(err, scraped); err != nil {
		return nil, err
	}
	for name := range now {
		v[name] = (now[name] - was[name]) / seconds
	}
	v["on disk"], v["samples"] = diskUsed(dir), float64(to.seen().samples)
	text, err := json.Marshal(world.Flows(begin, 0, world.MessageFlows, 0))
	if err != nil {
		return nil, err
	}
	v["feed"] = float64(len(text)) / world.MessageFlows * 1e6 / 60
	page, err := get(ctx, url+"/metrics?collect[]=self")
	if err != nil {
		return nil, err
	}
	for _, want := range []string{fmt.Sprintf("\nskybridge_series %d\n", 5*n), "\nskybridge_messages_shed_total 0\n"} {
		if !bytes.Contains(page, []byte(want)) {
			return nil, fmt.Errorf("the run is worthless: the bridge's metrics have no line %q", want)
		}
	}
	if v["samples"] < float64(2*5*n) {
		return nil, fmt.Errorf("only %.0f samples were pushed, less than two ticks", v["samples"])
	}
	_, v["most"], err = resident(b.pid())
	v["per connection"] = (v["most"] - v["base"]) / float64(n)
	return v, err
}

// startBridge runs the bridge's own binary as shipped, with room for the connections,
// one feed, one receiver and, as many sites have, three external labels.
func (r *report) startBridge(ctx context.Context, s spec, environment ...string) (c *child, url string, err error) {
	if r.bridge == "" {
		return nil, "", errors.New("the bridge's binary is needed: name it with -skybridge (make build makes it)")
	}
	version := "prometheus.WriteRequest"
	if s.Version2 {
		version = "io.prometheus.write.v2.Request"
	}
	text := fmt.Sprintf(`global:
  push_interval: %s
  external_labels: {cluster: eu-west-1, env: production, replica: skybridge-0}
skydive:
  analyzers: [%q]
  silence_timeout: 1h
aggregation: {max_series: %d, max_flows: %d}
remote_write: [{url: %q, protobuf_message: %s, queue_config: {max_backoff: 200ms}}]
`, s.Interval, s.Feed, 6*s.Connections, 4*s.Connections, s.Receiver, version)
	file := filepath.Join(s.Dir, "skybridge.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, "", fmt.Errorf("write the bridge's configuration: %w", err)
	}
	address := loopback.Address()
	c, err = r.start(ctx, environment, r.bridge, "--config.file="+file, "--storage.path="+filepath.Join(s.Dir, "storage"),
		"--web.listen-address="+address, "--log.level=error")
	return c, "http://" + address, err
}

// usage is what a bridge has used so far: cores' time, bytes written to disk, bytes
// pushed. What cannot be read is 0.
func usage(b *child, to *receiver) values {
	used, _ := cpu(b.pid())
	var written float64
	_, _ = fmt.Sscan(field(fmt.Sprintf("/proc/%d/io", b.pid()), "write_bytes"), &written)
	return values{"cores": used.Seconds(), "written": written, "pushed": float64(to.seen().bytes)}
}

// diskUsed is how many bytes the files of a directory have.
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

// scrapeEvery gets the page of connections until ctx is done.
func scrapeEvery(ctx context.Context, url string, interval time.Duration, v values) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		began := time.Now()
		if _, err := get(ctx, url+"/metrics?collect[]=connections"); err != nil && ctx.Err() == nil {
			return err
		}
		v["scrapes"]++
		v["longest scrape"] = max(v["longest scrape"], time.Since(began).Seconds())
	}
}

// get reads a page.
func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, answer.Status)
	}
	return page, err
}
