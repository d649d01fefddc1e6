// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"sync"
	"time"
)

const (
	// statsPeriod is how often a live capture sends stats (measured).
	statsPeriod = 10 * time.Second
	// flushPeriod is how long an analyzer may hold flows back (measured).
	flushPeriod = 5 * time.Second
	// unknownPatience applies until a period is known.
	unknownPatience = 5 * time.Minute
	// leastUpdatePatience keeps the bridge from disturbing others on a network
	// that is simply quiet.
	leastUpdatePatience = 2 * time.Minute
	maxPatience         = time.Hour
	// memory is how long, at least, the watchdog remembers a gap or a window.
	memory = 10 * time.Minute
	// watchEvery is how often the watchdog looks, at least.
	watchEvery = 5 * time.Second
)

// watchdog finds out that an analyzer which still sends pings has forgotten our
// subscription: when any subscriber disconnects, it forgets every subscriber's
// namespaces. Only a new connection brings the data back, and that in turn
// costs the other subscribers theirs for a moment. So the watchdog must neither
// sleep nor bark at a quiet network. The rule that it follows:
//
//   - Every live capture sends stats each 10 s, traffic or not. While stats
//     came until the silence began, patience is three of their periods and one
//     flush. A longer gap between stats, if it ended by itself, is the period.
//   - Without stats, flows must explain it: an active flow is sent once in the
//     update period, which LastUpdateMetric's window shows. Patience is three
//     windows and one flush, no less than 2 min, and no less than twice the
//     longest silence of late that ended by itself.
//   - Before either is known it is 5 min.
//   - It doubles with each reconnect that brought nothing, up to 1 h, and is
//     back to the start with the first data.
//   - A configured timeout takes the place of all that.
//
// Namespaces of all kinds are forgotten together: stats that still come prove
// that flows would come as well, however long there are none. What stats count
// is no sign of flows that are missing: captures count packets of flows that
// are in no update, and continue to count after the last one.
//
// Up to a quarter is added to each patience, drawn for each connection,
// so that two bridges which lost the same feed do not kill each other's new
// subscription in step.
//
// Methods may be called concurrently.
type watchdog struct {
	random func() float64 // in [0, 1)

	mu        sync.Mutex
	fixed     time.Duration // the configured timeout, 0: learn
	jitter    float64       // of this connection, up to 1/4
	connected time.Time     // when this connection began
	lastData  time.Time     // over all connections, as are the following
	lastStats time.Time
	statsGap  recentMax // between stats
	dataGap   recentMax // between any data
	window    recentMax // of LastUpdateMetric

	fruitless uint // reconnects in a row that brought no data
}

func newWatchdog(fixed time.Duration, random func() float64) *watchdog {
	return &watchdog{fixed: fixed, random: random}
}

// configure sets the configured timeout, 0 for a learned one.
func (w *watchdog) configure(fixed time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fixed = fixed
}

// begin says that a connection is subscribed.
func (w *watchdog) begin(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.connected = now
	w.jitter = w.random() / 4
}

// data says that a data message came.
func (w *watchdog) data(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dataGap.add(now, now.Sub(later(w.lastData, w.connected)))
	w.lastData = now
	w.fruitless = 0
}

// stats says that a message that came at now had stats.
func (w *watchdog) stats(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.lastStats.IsZero() {
		// Across a reconnect only the wait after it counts: what was before may
		// have been the fault that the reconnect cured.
		w.statsGap.add(now, now.Sub(later(w.lastStats, w.connected)))
	}
	w.lastStats = now
}

// flows says that a message that came at now had flows; window is the longest
// update window among them, 0 for none.
func (w *watchdog) flows(now time.Time, window time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if window > 0 {
		w.window.add(now, min(window, maxPatience))
	}
}

// due returns when the feed is to be given up if nothing more comes.
func (w *watchdog) due() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return later(w.lastData, w.connected).Add(w.jittered(w.patience()))
}

// gaveUp says that the connection is closed because it was due.
func (w *watchdog) gaveUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fruitless++
}

func (w *watchdog) jittered(d time.Duration) time.Duration {
	return d + time.Duration(w.jitter*float64(d))
}

func (w *watchdog) patience() time.Duration {
	if w.fixed > 0 {
		return w.fixed
	}
	period := max(statsPeriod, w.statsGap.get())
	var p time.Duration
	switch {
	case !w.lastStats.IsZero() && w.lastData.Sub(w.lastStats) <= 2*period:
		p = 3*period + flushPeriod
	default:
		p = max(w.updatePatience(), 2*w.dataGap.get())
	}
	return doubled(p, w.fruitless)
}

func (w *watchdog) updatePatience() time.Duration {
	if window := w.window.get(); window > 0 {
		return max(leastUpdatePatience, 3*window+flushPeriod)
	}
	return unknownPatience
}

func doubled(d time.Duration, times uint) time.Duration {
	return min(d<<min(times, 16), maxPatience)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// watch returns true when the feed is due to be given up, false when the
// context ends first.
func (w *watchdog) watch(ctx context.Context) bool {
	for {
		wait := time.Until(w.due())
		if wait <= 0 {
			return true
		}
		// What is learned meanwhile can make it due earlier.
		timer := time.NewTimer(min(wait, watchEvery))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// recentMax is the largest of the durations added during the last one to two
// spans of memory, as far as durations were added at all.
type recentMax struct {
	since     time.Time
	now, then time.Duration
}

func (r *recentMax) add(now time.Time, d time.Duration) {
	if now.Sub(r.since) > memory {
		r.since, r.now, r.then = now, 0, r.now
	}
	r.now = max(r.now, d)
}

func (r *recentMax) get() time.Duration { return max(r.now, r.then) }
