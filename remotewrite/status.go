// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/remotewrite/queue"
)

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
	for _, c := range l.counters {
		c.Describe(ch)
	}
	for _, g := range gauges() {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (l *liveEndpoints) Collect(ch chan<- prometheus.Metric) {
	all := gauges()
	for _, e := range l.all() {
		e.account()
		p, of := e.cursor.Position(), e.settings.Load()
		for _, g := range all {
			ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(e, p), of.name, of.url)
		}
	}
	for _, c := range l.counters {
		c.Collect(ch)
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

// EndpointStatus is how an endpoint is doing.
type EndpointStatus struct {
	Name string
	// URL is without user, password and values of its query.
	URL string
	// BacklogTicks and BacklogSamples are what is being sent or waits.
	BacklogTicks   int
	BacklogSamples int64
	// WaitsSince is the time of the oldest tick among them; zero where there is none.
	WaitsSince time.Time
	// Version is the remote-write version that requests are in, "2.0" or "1.0".
	Version string
	// Shards is how many requests go out at once.
	Shards int
	// LastSuccess is when the receiver last stored something.
	LastSuccess time.Time
	// LastError is the last trouble, in the receiver's own words where it had
	// some, at most some hundred bytes; untrusted text. It stays after a success.
	LastError   string
	LastErrorAt time.Time
	// LastRemedy is what usually helps against it, "" where nothing is known to.
	LastRemedy string
	// RefusedSamples were refused in the last 15 minutes, or not sent because the
	// receiver had refused their zeros; LostBytes are the traffic bytes that were lost
	// to it for good meanwhile, for whatever reason (skybridge_lost_bytes_total).
	RefusedSamples, LostBytes uint64
	// RetriedUntil is until when what the receiver refuses is retried; zero: it refuses
	// nothing, or what it refuses is lost.
	RetriedUntil time.Time
}

// State is how an endpoint is doing, in a word.
type State string

// The states of an endpoint. All but StateOK want somebody to look.
const (
	StateOK           State = "ok"
	StateNotContacted State = "not contacted" // nothing was sent to it yet, or nothing was answered
	StateRefusing     State = "refusing"      // it refused samples in the last 15 minutes
	StateFailing      State = "failing"       // its latest answer was not a good one, or there was none
)

// State returns the endpoint's state.
func (s *EndpointStatus) State() State {
	switch {
	case s.RefusedSamples > 0:
		return StateRefusing
	case s.LastSuccess.Before(s.LastErrorAt):
		return StateFailing
	case s.LastSuccess.IsZero():
		return StateNotContacted
	}
	return StateOK
}

// OK says whether the endpoint is in the state that it should be in.
func (s *EndpointStatus) OK() bool { return s.State() == StateOK }

// Status returns the endpoints' state, in the order of the config.
func (s *Sender) Status() []EndpointStatus {
	endpoints := s.live.all()
	out := make([]EndpointStatus, 0, len(endpoints))
	for _, e := range endpoints {
		e.account()
		of, p := e.settings.Load(), e.cursor.Position()
		var waits time.Time
		if p.Ticks > 0 {
			waits = time.UnixMilli(p.Oldest)
		}
		refused, lost := e.recent.sum()
		e.mu.Lock()
		out = append(out, EndpointStatus{
			Name: of.name, URL: of.url,
			BacklogTicks: p.Ticks, BacklogSamples: p.Samples, WaitsSince: waits, Shards: int(e.senders.Load()),
			Version:     e.spoken.use(of.cfg.ProtobufMessage).String(),
			LastSuccess: e.lastSuccess, LastError: e.lastError, LastErrorAt: e.lastErrorAt, LastRemedy: e.lastRemedy,
			RefusedSamples: refused, LostBytes: lost, RetriedUntil: e.episode.retriedUntil(),
		})
		e.mu.Unlock()
	}
	return out
}
