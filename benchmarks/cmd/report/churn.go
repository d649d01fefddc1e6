// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/benchmarks/world"
)

// churnMinutes is how long a connection lives.
const churnMinutes = 5

// churn is the row of connections that come and go for a day, by a clock handed in.
func (r *report) churn(ctx context.Context) ([]line, error) {
	v, err := r.work(ctx, spec{Work: "churn", Connections: r.sizes.churnConnections, Times: r.sizes.churnHours, Begin: worldBegin})
	if err != nil {
		return nil, err
	}
	return []line{{
		path: fmt.Sprintf("churn: heap after GC, %d h of %s live connections, all replaced every %d minutes", r.sizes.churnHours,
			count(float64(r.sizes.churnConnections)), churnMinutes),
		ours:    fmt.Sprintf("%.1f MB at most after the first hour (%.0f flows remembered)", v["most"]/1e6, v["flows"]),
		against: fmt.Sprintf("%.1f MB after the first hour", v["first"]/1e6),
		ratio:   fmt.Sprintf("%.3f ×", v["most"]/v["first"]), bar: "1.05 ×", reached: new(v["most"] <= 1.05*v["first"]),
	}}, nil
}

// churn lets hours pass. No end record ever comes, so that each flow is remembered for
// as long as any can be.
func (w *worker) churn(ctx context.Context) (values, error) {
	now := time.UnixMilli(onGrid(w.Begin))
	quiet := slog.New(slog.DiscardHandler)
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped", Help: "Records that do not count."}, []string{"reason"})
	a, err := aggregator.New(aggregation(w.Connections), func() time.Time { return now }, prometheus.NewRegistry(), skipped, quiet)
	if err != nil {
		return nil, err
	}
	if _, err := a.Recover(aggregator.StateConfig{Dir: filepath.Join(w.Dir, "state"), LastTick: -1}, quiet); err != nil {
		return nil, err
	}
	a.AnalyzerUp("a")
	out := values{}
	var flows world.Flows
	for minute := range w.Times * 60 {
		if ctx.Err() != nil {
			return nil, errStopped
		}
		for block := range churnMinutes {
			w.reportBlock(a, &flows, minute, block)
		}
		for range 4 {
			now = now.Add(tickInterval)
			a.Tick(now.UnixMilli(), tickInterval, nobody{})
			a.Sync()
			a.Publish()
		}
		if (minute+1)%60 == 0 {
			w.look(a, (minute+1)/60, out)
		}
	}
	if err := a.Trouble(); err != nil {
		return nil, err
	}
	return out, a.Close()
}

// reportBlock lets a fifth of the connections report; each minute another fifth is
// replaced by new ones.
func (w *worker) reportBlock(a *aggregator.Aggregator, flows *world.Flows, minute, block int) {
	size := w.Connections / churnMinutes
	generation, round := (minute+block)/churnMinutes, (minute+block)%churnMinutes
	crowd := world.World{Begin: w.Begin + int64(minute-round)*world.Period}
	first := generation*w.Connections + block*size
	for id := 0; id < size; id += world.MessageFlows {
		a.Update(flows.Fill(&crowd, first+id, min(world.MessageFlows, size-id), round))
	}
}

// look notes the heap at the end of an hour.
func (w *worker) look(a *aggregator.Aggregator, hour int, out values) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	heap := float64(m.HeapAlloc)
	status := a.Status()
	fmt.Fprintf(w.err, "churn: hour %d: heap %.1f MB, %d series, %d flows\n", hour, heap/1e6, status.Series, status.Flows)
	if hour == 1 {
		out["first"] = heap
		return
	}
	out["most"] = max(out["most"], heap)
	out["flows"] = float64(status.Flows)
}
