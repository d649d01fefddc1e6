// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/skydive-project/skybridge/benchmarks/promsender"
	"github.com/skydive-project/skybridge/benchmarks/world"
)

// push is the row from live series to a receiver's answers: ours is a whole bridge, from
// the tick on; Prometheus is its agent, from the appender on; vmagent is the program as
// Debian packages it, from the requests in 1.0 on by which it is given the series.
func (r *report) push(ctx context.Context) (lines []line, err error) {
	const one, two = remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType
	for i, n := range r.sizes.pushConnections {
		side := func(work string, message remoteapi.WriteMessageType) func() (values, error) {
			s := spec{Work: work, Connections: n, Message: message, Interval: r.sizes.pushInterval[i]}
			return func() (values, error) {
				return r.side(ctx, s, func(x *side) (values, error) { return x.pushed(r.sizes.pushTicks[i]) })
			}
		}
		sides := []func() (values, error){side(theBridge, two), side(prometheusAgent, two), side(theBridge, one), side(prometheusAgent, one)}
		if r.vmagent != "" {
			sides = append(sides, side(vmagent, one))
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
		in2, in1 := cost(1)/cost(0), cost(3)/cost(2)
		first := line{path: path("2.0"), ours: show(cost(0)), against: show(cost(1)) + ", Prometheus", ratio: times(in2)}
		if 5*n >= 500_000 {
			first.bar, first.reached = "4 ×", new(in2 >= 4)
		}
		lines = append(lines, first,
			line{path: path("1.0"), ours: show(cost(2)), against: show(cost(3)) + ", Prometheus", ratio: times(in1), bar: "2.5 ×", reached: new(in1 >= 2.5)})
		if r.vmagent != "" {
			lines = append(lines, line{
				path: path("1.0"), ours: show(cost(2)), against: show(cost(4)) + ", vmagent, reading what it is given included",
				ratio: times(cost(4) / cost(2)), bar: "1 ×", reached: new(cost(4) >= cost(2)),
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

// pushed measures CPU a sample and bytes a sample, of ticks that are whole.
func (x *side) pushed(ticks int) (_ values, err error) {
	switch x.Work {
	case theBridge:
		if err := x.report(x.alive, 0, arrivals); err != nil {
			return nil, err
		}
	case vmagent:
		go x.give()
	}
	tick := int64(5 * x.Connections)
	mark := func(samples int64) (got received, used time.Duration) {
		if err == nil {
			// More than Prometheus waits to fill a batch: the tick is over.
			err = x.to.await(x.alive, samples, x.Interval/3)
		}
		if err == nil {
			used, err = cpu(x.pid())
		}
		return x.to.seen(), used
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
		Dir: s.Dir, URL: s.Receiver, Version2: s.Message == remoteapi.WriteV2MessageType, BatchDeadline: s.Interval / 8,
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

// startVmagent runs vmagent as Debian's package victoria-metrics has it.
func (r *report) startVmagent(ctx context.Context, s spec) (*child, error) {
	args := []string{
		"-httpListenAddr=" + s.Address, "-remoteWrite.url=" + s.Receiver, "-remoteWrite.tmpDataPath=" + s.Dir, "-loggerLevel=ERROR",
		"-remoteWrite.label=cluster=eu-west-1", "-remoteWrite.label=env=production", "-remoteWrite.label=replica=skybridge-0",
	}
	c, err := r.start(ctx, nil, r.vmagent, args...)
	if err != nil {
		return nil, fmt.Errorf("%w (Debian's package victoria-metrics has it)", err)
	}
	return c, nil
}

// give gives vmagent a sample of each series at each tick until it has ended, by
// remote-write 1.0, in requests of 2,000. Where that fails, vmagent is stopped.
func (x *side) give() {
	var series []prompb.TimeSeries
	world.Series(x.Connections, func(l labels.Labels, _ bool) {
		series = append(series, prompb.TimeSeries{Labels: prompb.FromLabels(l, nil), Samples: make([]prompb.Sample, 1)})
	})
	sender, err := remoteapi.NewAPI(x.url())
	if err == nil {
		err = everyTick(x.alive, x.Interval, func(n int) error {
			first := 0
			for part := range slices.Chunk(series, 2000) {
				for i := range part {
					part[i].Samples[0] = prompb.Sample{Timestamp: time.Now().UnixMilli(), Value: float64(1000*n + first + i)}
				}
				if _, err := sender.Write(x.alive, remoteapi.WriteV1MessageType, &prompb.WriteRequest{Timeseries: part}); err != nil {
					return err
				}
				first += len(part)
			}
			return nil
		})
	}
	if err != nil && x.alive.Err() == nil {
		fmt.Fprintln(os.Stderr, "vmagent:", err)
		_ = x.stop() // what waits for samples learns it so
	}
}
