// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/secrets"
)

// liveEndpoints is the endpoints that run, in the order of the config. As a
// prometheus.Collector it gives those of their gauges that follow from their
// state at the moment of the scrape.
type liveEndpoints struct{ list atomic.Pointer[[]*endpoint] }

func (l *liveEndpoints) all() []*endpoint {
	if list := l.list.Load(); list != nil {
		return *list
	}
	return nil
}

// gauge is a gauge with one value for each endpoint.
type gauge struct {
	desc  *prometheus.Desc
	value func(e *endpoint, p queue.Position) float64
}

// gauges returns the endpoints' gauges, named as in Prometheus.
func gauges() []gauge {
	of := func(name, help string, value func(e *endpoint, p queue.Position) float64) gauge {
		return gauge{prometheus.NewDesc(prefix+name, help, endpointLabels(), nil), value}
	}
	cfg := func(e *endpoint) *EndpointConfig { return &e.settings.Load().cfg }
	return []gauge{
		of("samples_pending", "Samples of ticks that are queued or partly sent.",
			func(_ *endpoint, p queue.Position) float64 { return float64(p.Samples) }),
		of("queue_highest_timestamp_seconds", "Time of the newest tick, in seconds since the epoch. 0 before any.",
			func(_ *endpoint, p queue.Position) float64 { return seconds(p.Newest) }),
		of("queue_highest_sent_timestamp_seconds", "Time of the newest tick with an answered request, in seconds since the epoch. 0 before any.",
			func(e *endpoint, _ queue.Position) float64 { return seconds(e.highestSent.Load()) }),
		of("shards", "Concurrent requests of the current or latest group.",
			func(e *endpoint, _ queue.Position) float64 { return float64(e.senders.Load()) }),
		of("shards_desired", "Concurrent requests that there would be without max_shards.",
			func(e *endpoint, _ queue.Position) float64 { return float64(e.desired.Load()) }),
		of("shards_min", "The configured min_shards.",
			func(e *endpoint, _ queue.Position) float64 { return float64(cfg(e).MinShards) }),
		of("shards_max", "The configured max_shards.",
			func(e *endpoint, _ queue.Position) float64 { return float64(cfg(e).MaxShards) }),
		of("shard_capacity", "Samples that a shard holds at once: one request.",
			func(e *endpoint, _ queue.Position) float64 { return float64(cfg(e).MaxSamplesPerSend) }),
		{prometheus.NewDesc("skybridge_remote_write_version", "Version of remote-write in use: 1 or 2.", endpointLabels(), nil),
			func(e *endpoint, _ queue.Position) float64 { return float64(e.spoken.use(cfg(e).ProtobufMessage)) }},
		of("max_samples_per_send", "Maximum number of samples per request.",
			func(e *endpoint, _ queue.Position) float64 { return float64(cfg(e).MaxSamplesPerSend) }),
	}
}

// seconds is a time in ms as the whole seconds that Prometheus shows.
func seconds(ms int64) float64 {
	if ms == math.MinInt64 {
		return 0
	}
	return math.Floor(float64(ms) / 1000)
}

// Describe implements prometheus.Collector.
func (l *liveEndpoints) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range gauges() {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (l *liveEndpoints) Collect(ch chan<- prometheus.Metric) {
	all := gauges()
	for _, e := range l.all() {
		p, cfg := e.cursor.Position(), &e.settings.Load().cfg
		for _, g := range all {
			ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(e, p), cfg.label(), secrets.URL(cfg.URL))
		}
	}
}

// Overdue returns for how long the slowest endpoint has not taken a step that it
// does not wait for: 0 or some milliseconds is usual, whether its receiver is healthy,
// slow or down. More means that an operation of its disk hangs, or that it has a bug.
func (s *Sender) Overdue() time.Duration {
	var longest time.Duration
	for _, e := range s.live.all() {
		longest = max(longest, e.deadline.Overdue())
	}
	return longest
}
