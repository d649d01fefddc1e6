// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"

	"github.com/skydive-project/skybridge/benchmarks/world"
	"github.com/skydive-project/skybridge/internal/await"
)

// memory is the row of what a live connection takes: the bridge as shipped, updated,
// pushed and scraped.
func (r *report) memory(ctx context.Context) ([]line, error) {
	ours, err := r.side(ctx, spec{
		Work: theBridge, Connections: r.sizes.memoryConnections, Message: remoteapi.WriteV2MessageType,
		Interval:    min(15*time.Second, r.sizes.memoryFor/4), // as shipped
		MemoryLimit: memoryLimit(r.sizes.memoryConnections),
	}, func(x *side) (values, error) { return x.everything(ctx, r.sizes.memoryFor) })
	if err != nil {
		return nil, err
	}
	old, err := r.fed(ctx, oldConnector, r.sizes.oldConnections, 1)
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

// everything measures a bridge that is updated once a minute, pushes and is scraped.
func (x *side) everything(ctx context.Context, howLong time.Duration) (values, error) {
	n := x.Connections
	if err := x.report(x.alive, 0, arrivals); err != nil {
		return nil, err
	}
	v := values{"base": x.base}
	over, stop := context.WithTimeout(ctx, howLong)
	defer stop()
	was, began := x.usage(), time.Now()
	var beside sync.WaitGroup
	var scraped, err error
	beside.Go(func() { scraped = scrapeEvery(over, x.url(), x.Interval, v) })
	for round := 1; err == nil; round++ {
		err = x.report(over, round, max(1, n/60))
	}
	seconds := time.Since(began).Seconds()
	now := x.usage()
	beside.Wait()
	if err := errors.Join(ctx.Err(), scraped); err != nil {
		return nil, err
	}
	for name := range now {
		v[name] = (now[name] - was[name]) / seconds
	}
	v["on disk"], v["samples"] = diskUsed(x.Dir), float64(x.to.seen().samples)
	text, err := json.Marshal(world.Flows(x.begin, 0, world.MessageFlows, 0))
	if err != nil {
		return nil, err
	}
	v["feed"] = float64(len(text)) / world.MessageFlows * 1e6 / 60
	for name, want := range map[string]int{"skybridge_series": 5 * n, "skybridge_messages_shed_total": 0} {
		if got, err := await.Scrape(ctx, x.url(), name); err != nil || int(got) != want {
			return nil, fmt.Errorf("the run is worthless: %s is %v and not %d (%w)", name, got, want, err)
		}
	}
	if v["samples"] < float64(2*5*n) {
		return nil, fmt.Errorf("only %.0f samples were pushed, less than two ticks", v["samples"])
	}
	_, v["most"], err = resident(x.pid())
	v["per connection"] = (v["most"] - x.base) / float64(n)
	return v, err
}

// usage is what a side has used so far: cores' time, bytes written to disk, bytes
// pushed. What cannot be read is 0.
func (x *side) usage() values {
	used, _ := cpu(x.pid())
	var written float64
	_, _ = fmt.Sscan(field(fmt.Sprintf("/proc/%d/io", x.pid()), "write_bytes"), &written)
	return values{"cores": used.Seconds(), "written": written, "pushed": float64(x.to.seen().bytes)}
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
		if err := get(ctx, url+"/metrics?collect[]=connections"); err != nil && ctx.Err() == nil {
			return err
		}
		v["scrapes"]++
		v["longest scrape"] = max(v["longest scrape"], time.Since(began).Seconds())
	}
}
