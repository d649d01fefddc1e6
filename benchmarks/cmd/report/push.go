// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/skydive-project/skybridge/benchmarks/promsender"
	"github.com/skydive-project/skybridge/benchmarks/world"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/loopback"
)

// push is the row from live series to a receiver's answers: ours is a whole bridge, from
// the tick on; Prometheus is its agent, from the appender on; vmagent is the program as
// Debian packages it, from the requests in 1.0 by which it is given the series. What it
// takes to read those is measured by letting it drop every series after it.
func (r *report) push(ctx context.Context) (lines []line, err error) {
	for i, n := range r.sizes.pushConnections {
		s := spec{Connections: n, Interval: r.sizes.pushInterval[i]}
		side := func(work string, version2 bool) func() (values, error) {
			s := s
			s.Work, s.Version2 = work, version2
			return func() (values, error) { return r.pushSide(ctx, s, r.sizes.pushTicks[i]) }
		}
		sides := []func() (values, error){side("bridge", true), side("prometheus", true), side("bridge", false), side("prometheus", false)}
		if r.vmagent != "" {
			sides = append(sides, side("vmagent", false), side("vmagent reading", false))
		}
		all, err := r.turns(sides...)
		if err != nil {
			return nil, err
		}
		cost := func(side int) float64 { return 1e9 * median(all[side], "per sample") }
		show := func(ns float64) string { return fmt.Sprintf("%s (%.0f ns)", count(1e9/ns), ns) }
		path := func(version string) string {
			return fmt.Sprintf("push in %s of %s series, log on disk and synced: samples/s/core", version, count(float64(5*n)))
		}
		two, one := cost(1)/cost(0), cost(3)/cost(2)
		in2 := line{path: path("2.0"), ours: show(cost(0)), against: show(cost(1)) + ", Prometheus", ratio: times(two)}
		if 5*n >= 500_000 {
			in2.bar, in2.reached = "4 ×", new(two >= 4)
		}
		lines = append(lines, in2,
			line{path: path("1.0"), ours: show(cost(2)), against: show(cost(3)) + ", Prometheus", ratio: times(one), bar: "2.5 ×", reached: new(one >= 2.5)})
		if r.vmagent != "" {
			all, reading := cost(4), cost(5)
			lines = append(lines, line{
				path: path("1.0"), ours: show(cost(2)), against: fmt.Sprintf("%s, vmagent, without the %.0f ns to read what it is given", show(all-reading), reading),
				ratio: times((all - reading) / cost(2)), bar: "1 ×", reached: new(all-reading >= cost(2)),
			})
		}
		if i < len(r.sizes.pushConnections)-1 {
			continue
		}
		for _, v := range []struct {
			name string
			ours int
			bar  float64
		}{{"2.0 with start timestamps", 0, 21}, {"1.0", 2, 29}} {
			show := func(side int) string {
				return fmt.Sprintf("%.1f (%.0f samples a request)", median(all[side], "bytes"), median(all[side], "batch"))
			}
			a, b := median(all[v.ours], "bytes"), median(all[v.ours+1], "bytes")
			lines = append(lines, line{
				path: "wire, " + v.name + ": bytes a sample", ours: show(v.ours), against: show(v.ours+1) + ", Prometheus",
				ratio: times(b / a), bar: fmt.Sprintf("%.0f B", v.bar), reached: new(a <= v.bar),
			})
		}
	}
	return lines, nil
}

// warmTicks come first: they bring the zeros, which only ours has, and let buffers and
// shards find their size.
const warmTicks = 4

// pushSide measures CPU a sample and bytes a sample, of ticks that are whole.
func (r *report) pushSide(ctx context.Context, s spec, ticks int) (_ values, err error) {
	dir, remove, err := r.disk()
	if err != nil {
		return nil, err
	}
	defer remove()
	to := startReceiver()
	defer to.server.Close()
	s.Dir, s.Receiver = dir, to.url()
	var c *child
	sent := to // where samples are counted
	switch s.Work {
	case "bridge":
		feed, err := analyzer.Start(analyzer.Config{})
		if err != nil {
			return nil, err
		}
		defer feed.Stop()
		s.Feed = feed.URL()
		if c, _, err = r.startBridge(ctx, s); err != nil {
			return nil, err
		}
		err = send(ctx, feed, time.Now().Add(-time.Minute).UnixMilli(), s.Connections, 0, arrivals)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
	case "prometheus":
		if c, err = r.worker(ctx, s); err != nil {
			return nil, err
		}
	default:
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if c, sent, err = r.startVmagent(ctx, s, to); err != nil {
			return nil, err
		}
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	tick := int64(5 * s.Connections)
	mark := func(samples int64) (got received, used time.Duration) {
		if err == nil {
			// More than Prometheus waits to fill a batch: the tick is over.
			err = sent.await(ctx, c, samples, s.Interval/3)
		}
		if err == nil {
			used, err = cpu(c.pid())
		}
		return sent.seen(), used
	}
	before, used := mark(warmTicks * tick)
	after, later := mark(before.samples + int64(ticks)*tick)
	samples := float64(after.samples - before.samples)
	return values{
		"per sample": (later - used).Seconds() / samples,
		"bytes":      float64(after.bytes-before.bytes) / samples,
		"batch":      samples / float64(after.requests-before.requests),
	}, err
}

// pushPrometheus is Prometheus' agent, which is given a sample of each series at each
// tick. It waits for less than by default, 5 s, to fill a batch, so that a tick is out
// before the next.
func (s spec) pushPrometheus(ctx context.Context) error {
	sender, err := promsender.Open(promsender.Options{
		Dir: s.Dir, URL: s.Receiver, Version2: s.Version2, BatchDeadline: s.Interval / 8,
		ExternalLabels: labels.FromStrings("cluster", "eu-west-1", "env", "production", "replica", "skybridge-0"),
		Logger:         slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	world.Series(s.Connections, sender.Add)
	began := time.Now().UnixMilli() - 1000
	return errors.Join(everyTick(ctx, s.Interval, func(n int) error {
		return sender.Tick(began, time.Now().UnixMilli(), float64(n)*1000)
	}), sender.Close())
}

// everyTick calls do until ctx is done, and pauses after each call, in which what was
// given is sent.
func everyTick(ctx context.Context, pause time.Duration, do func(n int) error) error {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		if err := do(n); err != nil {
			return err
		}
	}
}

// startVmagent runs vmagent as Debian's package victoria-metrics has it and gives it a
// sample of each series at each tick until ctx is done, by remote-write 1.0, in requests
// of 2,000. Where it only reads them, what it was given counts as received.
func (r *report) startVmagent(ctx context.Context, s spec, to *receiver) (*child, *receiver, error) {
	address := loopback.Address()
	args := []string{
		"-httpListenAddr=" + address, "-remoteWrite.url=" + s.Receiver, "-remoteWrite.tmpDataPath=" + s.Dir, "-loggerLevel=ERROR",
		"-remoteWrite.label=cluster=eu-west-1", "-remoteWrite.label=env=production", "-remoteWrite.label=replica=skybridge-0",
	}
	given := to
	if s.Work == "vmagent reading" {
		file := filepath.Join(s.Dir, "relabel.yml")
		if err := os.WriteFile(file, []byte("- {action: drop, source_labels: [__name__]}\n"), 0o600); err != nil {
			return nil, nil, fmt.Errorf("write vmagent's relabelling: %w", err)
		}
		args, given = append(args, "-remoteWrite.relabelConfig="+file), &receiver{}
	}
	c, err := r.start(ctx, nil, r.vmagent, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (Debian's package victoria-metrics has it)", err)
	}
	var series []prompb.TimeSeries
	world.Series(s.Connections, func(l labels.Labels, _ bool) {
		series = append(series, prompb.TimeSeries{Labels: prompb.FromLabels(l, nil), Samples: make([]prompb.Sample, 1)})
	})
	go func() {
		err := everyTick(ctx, s.Interval, func(n int) error {
			for first := 0; first < len(series); first += 2000 {
				part := series[first:min(first+2000, len(series))]
				for i := range part {
					part[i].Samples[0] = prompb.Sample{Timestamp: time.Now().UnixMilli(), Value: float64(1000*n + first + i)}
				}
				if err := post(ctx, "http://"+address+"/api/v1/write", part); err != nil {
					return err
				}
				if given != to {
					given.mu.Lock()
					given.received.samples, given.received.last = given.received.samples+int64(len(part)), time.Now()
					given.mu.Unlock()
				}
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			r.say("vmagent: %v", err)
			_ = c.stop() // who waits for samples learns it so
		}
	}()
	return c, given, nil
}

// post sends a request in 1.0.
func post(ctx context.Context, url string, series []prompb.TimeSeries) error {
	body, err := (&prompb.WriteRequest{Timeseries: series}).Marshal()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Encoding", "snappy")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}
