// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
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
	"github.com/skydive-project/skybridge/remotewrite/wire"
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
	// waits is how long it takes the receiver to answer.
	waits waits
	// senders is the size of the group now or last sent.
	senders, desired atomic.Int64
	hurry            atomic.Bool  // the process ends: as many senders as allowed
	highestSent      atomic.Int64 // time of the newest tick with an answer, ms
	requests         []request    // of that group, reused
	metadataSent     time.Time    // the last attempt
	named            []named      // what gives series the names of the ticks at hand
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

// hasStopped says that nothing will be sent any more.
func (e *endpoint) hasStopped() bool {
	select {
	case <-e.stopped:
		return true
	default:
		return false
	}
}

func (e *endpoint) noteError(a client.Answer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lastError, e.lastErrorAt, e.lastRemedy = a.Words, time.Now(), a.Remedy()
}

// waits keeps how long requests wait for their answers: the mean, in which the latest
// ones weigh most.
type waits struct{ mean atomic.Int64 } // ns

// tally counts the samples of a tick that have their final answer; what a repair
// makes is not the tick's own and is not counted.
type tally struct{ samples, stale atomic.Int64 }

// putAway keeps a workspace for later, but not the block whose data it sent.
func (e *endpoint) putAway(w *workspace) {
	switch {
	case w.body == nil:
	case w.body.Idle():
		w.body.Data = nil
	default:
		w.body = nil // an attempt that was left to itself still has it
	}
	e.workspaces.Put(w)
}

// What becomes of samples that a receiver refuses. They are not sent again, but a
// counter is cumulative, and what refusals lose of it can be kept small:
//
//   - All zeros of a tick were refused, by answers that are not about samples, as from
//     a wrong URL: the tick is given up. Its counters get another zero with the next
//     one, as after ticks that were dropped; with values but no zero they would lose
//     all that they have counted so far.
//   - Values were refused: what ends at the next tick had its last value among them, or
//     not; it gets that once more (cursor.finalsAt). Where it arrived it adds nothing.
//   - That is refused too: it is lost, and counted by series and bytes.
//   - Some of the zeros were refused, or by an answer after which some may be stored: a
//     second zero after a stored value would count that twice, so there is none. What
//     such a counter holds by its first value is missing from increase(), and no count
//     says how much: the receiver does not tell which zeros it has.

// errRefused is why a tick is given up whose zeros were all refused.
var errRefused = errors.New("the receiver refused the first samples of all of its counters: they start again with the next tick, what ends before the receiver accepts is lost")

// outcome is what receivers answered to the group under way.
type outcome struct {
	// stored: some of it is stored or may be; refused: some was refused.
	stored, refused atomic.Bool
}

func (o *outcome) reset() {
	o.stored.Store(false)
	o.refused.Store(false)
}

func (o *outcome) refuse(a *client.Answer) {
	o.refused.Store(true)
	if !a.NothingStored() {
		o.stored.Store(true)
	}
}

// refusedWhole says whether all of the group was refused and nothing of it is stored.
func (o *outcome) refusedWhole() bool { return o.refused.Load() && !o.stored.Load() }

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
	Close()
}

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

// account has all of them count what has become of ticks in the log.
func (l *liveEndpoints) account() {
	for _, e := range l.all() {
		e.account()
	}
}

func (w *waits) add(d time.Duration) {
	for {
		mean := w.mean.Load()
		next := mean + (int64(d)-mean)/8
		if mean == 0 {
			next = int64(d)
		}
		if w.mean.CompareAndSwap(mean, next) {
			return
		}
	}
}

func (t *tally) add(count wire.Count) {
	t.samples.Add(int64(count.Samples))
	t.stale.Add(int64(count.Stale))
}
