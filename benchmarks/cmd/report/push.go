// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/skydive-project/skybridge/benchmarks/promsender"
	"github.com/skydive-project/skybridge/benchmarks/world"
)

// The sides of the row push.
const (
	ours2, theirs2 = "ours 2.0", "theirs 2.0"
	ours1, theirs1 = "ours 1.0", "theirs 1.0"
)

// push is the row from live series to a receiver's answers: ours is a whole bridge, from
// the tick on; the other is Prometheus' agent, from the appender on.
func (r *report) push(ctx context.Context) ([]line, error) {
	if err := r.measurePush(ctx); err != nil {
		return nil, err
	}
	var lines []line
	for _, v := range []struct {
		name, ours, theirs string
		bar                float64
	}{{"2.0", ours2, theirs2, 4}, {"1.0", ours1, theirs1, 3}} {
		a, b := 1/median(r.pushed[v.ours], "per sample"), 1/median(r.pushed[v.theirs], "per sample")
		lines = append(lines, line{
			path: fmt.Sprintf("push in %s of %s series, log on disk and synced: samples/s/core", v.name, count(float64(5*r.sizes.pushConnections))),
			ours: fmt.Sprintf("%s (%.0f ns)", count(a), 1e9/a), against: fmt.Sprintf("%s (%.0f ns), Prometheus", count(b), 1e9/b),
			ratio: times(a / b), bar: fmt.Sprintf("%.0f ×", v.bar), reached: new(a/b >= v.bar),
		})
	}
	return lines, nil
}

// wire is the row of what a sample takes on the wire.
func (r *report) wire(ctx context.Context) ([]line, error) {
	if err := r.measurePush(ctx); err != nil {
		return nil, err
	}
	var lines []line
	for _, v := range []struct {
		name, ours, theirs string
		bar                float64
	}{{"2.0 with start timestamps", ours2, theirs2, 21}, {"1.0", ours1, theirs1, 29}} {
		a, b := median(r.pushed[v.ours], "bytes"), median(r.pushed[v.theirs], "bytes")
		lines = append(lines, line{
			path: "wire, " + v.name + ": bytes a sample",
			ours: fmt.Sprintf("%.1f (%.0f samples a request)", a, median(r.pushed[v.ours], "batch")),
			against: fmt.Sprintf("%.1f (%.0f samples a request), Prometheus",
				b, median(r.pushed[v.theirs], "batch")),
			ratio: times(b / a), bar: fmt.Sprintf("%.0f B", v.bar), reached: new(a <= v.bar),
		})
	}
	return lines, nil
}

// measurePush measures all four sides, once for both rows.
func (r *report) measurePush(ctx context.Context) error {
	if r.pushed != nil {
		return nil
	}
	sides := []string{ours2, theirs2, ours1, theirs1}
	var measures []func() (values, error)
	for _, side := range sides {
		measures = append(measures, func() (values, error) { return r.pushSide(ctx, side) })
	}
	all, err := r.turns(measures...)
	if err != nil {
		return err
	}
	r.pushed = map[string][]values{}
	for i, side := range sides {
		r.pushed[side] = all[i]
	}
	return nil
}

// pushSide measures one side: CPU a sample and bytes a sample, of ticks that are whole.
func (r *report) pushSide(ctx context.Context, side string) (_ values, err error) {
	to, err := startReceiver()
	if err != nil {
		return nil, err
	}
	defer to.stop()
	s := spec{
		Work: "push theirs", Connections: r.sizes.pushConnections, Interval: r.sizes.pushInterval,
		Receiver: writeURL(to.address()), Version2: side == ours2 || side == theirs2,
	}
	if r.profiled != "" {
		s.Profile, s.ProfileAfter = r.profiled, r.sizes.profileAfter()
	}
	if side == ours1 || side == ours2 {
		s.Work = "push ours"
	}
	c, remove, err := r.startPush(ctx, s)
	if err != nil {
		return nil, err
	}
	defer remove()
	defer func() {
		_, ended := c.stop()
		err = errors.Join(err, ended)
	}()
	// What comes first brings the zeros, which Prometheus does not have, and lets buffers
	// and shards find their size.
	tick, quiet := int64(5*s.Connections), betweenTicks(s.Interval)
	before, used, err := mark(ctx, to, c, int64(r.sizes.pushWarm)*tick, quiet)
	if err != nil {
		return nil, err
	}
	after, later, err := mark(ctx, to, c, before.samples+int64(r.sizes.pushTicks)*tick, quiet)
	if err != nil {
		return nil, err
	}
	samples := float64(after.samples - before.samples)
	return values{
		"per sample": (later["cpu"] - used["cpu"]) / samples,
		"bytes":      float64(after.bytes-before.bytes) / samples,
		"batch":      samples / float64(after.requests-before.requests),
	}, nil
}

// mark waits for a moment at which so many samples have come and no more are on the
// way, and returns what has come and what the sender has used by then.
func mark(ctx context.Context, to *receiver, c *child, samples int64, quiet time.Duration) (received, values, error) {
	if _, err := to.await(ctx, c, samples, quiet); err != nil {
		return received{}, nil, err
	}
	used, err := c.usage()
	if err != nil {
		return received{}, nil, err
	}
	got, err := to.seen()
	return got, used, err
}

// betweenTicks is a silence of a sender by which a tick is known to be over: more than
// Prometheus waits to fill a batch.
func betweenTicks(interval time.Duration) time.Duration { return interval / 3 }

// batchDeadline is how long Prometheus waits to fill a batch: less than by default, 5 s,
// so that a tick is out before the next.
func batchDeadline(interval time.Duration) time.Duration { return interval / 8 }

// startPush starts a worker that pushes; ours gets its connections from a feed that is
// silent after that.
func (r *report) startPush(ctx context.Context, s spec) (_ *child, remove func(), err error) {
	dir, removeDir, err := r.disk()
	if err != nil {
		return nil, nil, err
	}
	feed, err := startFeed()
	if err != nil {
		removeDir()
		return nil, nil, err
	}
	remove = func() { feed.stop(); removeDir() }
	s.Dir, s.Feed = dir, feed.url()
	c, err := r.start(ctx, s)
	if err != nil {
		remove()
		return nil, nil, err
	}
	if s.Work == "push ours" {
		if err := connect(ctx, feed, c, s.Connections); err != nil {
			_, ended := c.stop()
			remove()
			return nil, nil, errors.Join(err, ended)
		}
	}
	return c, remove, nil
}

// connect waits for a bridge and makes n connections known to it.
func connect(ctx context.Context, f *feed, c *child, n int) error {
	subscriber, err := f.next(ctx, c)
	if err != nil {
		return err
	}
	w := world.World{Begin: time.Now().Add(-time.Minute).UnixMilli()}
	_, err = sendPaced(ctx, &w, subscriber, n, 0, arrivals, 0)
	return err
}

// arrivals is how many connections a second begin where a bridge cannot say how far it
// is: no bridge sheds any of it.
const arrivals = 60_000

// pushTheirs is Prometheus' agent, which is given a sample of each series at each tick.
func (w *worker) pushTheirs(ctx context.Context) (values, error) {
	s, err := promsender.Open(promsender.Options{
		Dir: w.Dir, URL: w.Receiver, Version2: w.Version2, BatchDeadline: batchDeadline(w.Interval),
		ExternalLabels: labels.FromStrings("cluster", "eu-west-1", "env", "production", "replica", "skybridge-0"),
		Logger:         slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return nil, err
	}
	addSeries(s, w.Connections)
	began := time.Now().UnixMilli() - 1000
	tick := time.NewTicker(w.Interval)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil, s.Close()
		case <-tick.C:
		}
		if err := s.Tick(began, time.Now().UnixMilli(), float64(n)*1000); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
}

// addSeries adds the five series of each connection of the world, as the bridge names
// them.
func addSeries(s *promsender.Sender, connections int) {
	var flows world.Flows
	var w world.World
	for id := range connections {
		f := flows.Fill(&w, id, 1, 0)[0]
		for _, direction := range []string{"initiator_to_target", "target_to_initiator"} {
			for _, metric := range []string{"total_bytes", "total_packets", "rtt_nanoseconds"} {
				gauge := metric == "rtt_nanoseconds"
				if gauge && direction == "target_to_initiator" {
					continue
				}
				s.Add(labels.FromStrings(
					model.MetricNameLabel, "skydive_network_connection_"+metric,
					"direction", direction,
					"initiator_ip", string(f.NetworkA), "initiator_port", strconv.FormatInt(f.TransportA, 10),
					"node_tid", string(f.NodeTID), "protocol", string(f.TransportProtocol),
					"target_ip", string(f.NetworkB), "target_port", strconv.FormatInt(f.TransportB, 10),
				), !gauge)
			}
		}
	}
}
