// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/logging"
	"github.com/skydive-project/skybridge/progress"
	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// endpoint carries the log to one receiver: tick after tick, in each the zeros
// before the rest, and condenses of ticks that are too old. It shares nothing with
// other endpoints but the log and idle buffers, so however slow it is, it costs
// them nothing.
type endpoint struct {
	id         string
	hash       queue.Hash       // of id
	seldom     *slog.Logger     // bounds what the endpoint logs of what can repeat
	now        func() time.Time // of day
	log        *queue.Log
	cursor     *queue.Cursor
	deadline   *progress.Deadline // of the next step
	workspaces *sync.Pool         // of *workspace
	settings   atomic.Pointer[settings]

	// spoken is which version the receiver speaks.
	spoken spoken
	// size is how large requests may be, after one was too large for the receiver.
	size sizeLimit
	// quiet is the receiver's Retry-After.
	quiet quietTime
	// episode is until when refusals with a code of RetryOnHTTP are retried.
	episode episode
	// took is how long requests wait for their answers, ns: the mean, in which the latest
	// ones weigh most.
	took atomic.Int64
	// senders is the size of the group now or last sent.
	senders, desired atomic.Int64
	hurry            atomic.Bool  // the process ends: as many senders as allowed
	highestSent      atomic.Int64 // time of the newest tick with an answer, ms
	requests         []request    // of that group, reused
	metadataSent     time.Time    // the last attempt
	rewriters        []*rewriter  // that give series the names of the ticks at hand
	pastRead         bool         // the first of them was made
	seeds            [2]maphash.Seed

	// group is what was answered to the group under way, recent what was refused and
	// lost lately.
	group  outcome
	recent recent

	failures logging.Limit
	failing  atomic.Bool

	mu          sync.Mutex // for what follows
	lastSuccess time.Time
	lastError   string
	lastErrorAt time.Time
	lastRemedy  string

	cancel  context.CancelFunc
	stopped chan struct{} // closed when run has returned
}

// settings is what a reload can change while the endpoint runs.
type settings struct {
	cfg       EndpointConfig
	name, url string // as metrics, logs and the status show them
	client    poster
	metrics   *endpointMetrics
	// logger says which endpoint it is, and so does seldom, for what can repeat without end.
	logger, seldom *slog.Logger
	// attempts has a token for each attempt that has not ended.
	attempts chan struct{}
	// replaced is closed when newer settings are in force, so that a request
	// that waits for its retry tries them at once.
	replaced chan struct{}
}

// labels are the endpoint's in metrics.
func (s *settings) labels() prometheus.Labels {
	return prometheus.Labels{"remote_name": s.name, "url": s.url}
}

// samplesPerSend is how many samples a request carries at most.
func (e *endpoint) samplesPerSend() int { return e.size.limit(e.settings.Load().cfg.MaxSamplesPerSend) }

// pause waits, or until other settings are in force.
func (e *endpoint) pause(ctx context.Context, d time.Duration, s *settings) error {
	e.account()
	e.deadline.Set(d)
	return pause(ctx, d, s.replaced)
}

// account counts what has become of ticks in the log.
func (e *endpoint) account() {
	o, metrics := e.cursor.Outcome(), e.settings.Load().metrics
	metrics.condensedSamples.Add(float64(o.Condensed))
	for reason, loss := range o.Lost {
		metrics.dropped(int(loss.Samples), int(loss.Stale), reason)
		if loss.Series > 0 {
			e.loseEnds(int(loss.Series), loss.Bytes, reason)
		}
	}
}

func (e *endpoint) noteError(a client.Answer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lastError, e.lastErrorAt, e.lastRemedy = a.Words, time.Now(), a.Remedy()
}

// loseEnds counts series whose last value is lost, and what they have counted.
func (e *endpoint) loseEnds(series int, bytes uint64, reason string) {
	e.settings.Load().metrics.lost(series, bytes, reason)
	e.recent.add(0, bytes)
}

// newest says whether the held tick is the last one in the log.
func (e *endpoint) newest() bool { return e.cursor.Position().Ticks <= 1 }

// poster makes single attempts at a receiver: a [client.Client].
type poster interface {
	Post(ctx context.Context, b *client.Body, attempt int) client.Answer
	Renew()
	Close()
}

// liveEndpoints is the endpoints that run, in the order of the config. As a
// prometheus.Collector it gives their counters, with what has become of ticks in the
// log, and those of their gauges that follow from their state at the moment of the
// scrape.
type liveEndpoints struct {
	list     atomic.Pointer[[]*endpoint]
	counters []*prometheus.CounterVec
}

func (l *liveEndpoints) all() []*endpoint { return *l.list.Load() }
