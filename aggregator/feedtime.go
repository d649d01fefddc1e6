// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"time"
)

// feedClock measures feed time, during which silence means that there was no traffic. It
// advances while at least one analyzer is live and none has been down for less than grace.
// So an outage neither ends connections nor evicts baselines, and an analyzer that never
// comes back holds the clock no longer than grace. Between two inputs it advances by at most
// two intervals of ticks: a longer gap is ours, as where the process was stopped, and no
// silence of the network.
type feedClock struct {
	grace     time.Duration
	most      time.Duration   // between two inputs; 0: not known yet
	analyzers []analyzerState // few
	elapsed   time.Duration   // feed time at the moment asOf
	asOf      int64           // ms
}

type analyzerState struct {
	name  string
	live  bool
	since int64 // ms
}

func newFeedClock() *feedClock { return &feedClock{} }

// now returns the feed time at a moment in ms, which must not be before one passed earlier.
func (c *feedClock) now(at int64) time.Duration {
	from, live := c.asOf, false
	for _, a := range c.analyzers {
		if a.live {
			live = true
		} else if t := a.since + c.grace.Milliseconds(); t > from {
			from = t // the clock stands until grace is over for the last that is down
		}
	}
	if live && at > from {
		passed := time.Duration(at-from) * time.Millisecond
		if c.most > 0 {
			passed = min(passed, c.most)
		}
		c.elapsed += passed
	}
	c.asOf = max(c.asOf, at)
	return c.elapsed
}

// set records that an analyzer is live, or not, from the given moment on.
func (c *feedClock) set(name string, live bool, at int64) {
	c.now(at)
	i := c.index(name)
	if i < 0 {
		i, c.analyzers = len(c.analyzers), append(c.analyzers, analyzerState{name, live, at})
	}
	if a := &c.analyzers[i]; a.live != live {
		a.live, a.since = live, at
	}
}

func (c *feedClock) index(name string) int {
	return slices.IndexFunc(c.analyzers, func(a analyzerState) bool { return a.name == name })
}

// remove removes an analyzer.
func (c *feedClock) remove(name string, at int64) {
	c.now(at)
	if i := c.index(name); i >= 0 {
		c.analyzers = slices.Delete(c.analyzers, i, i+1)
	}
}
