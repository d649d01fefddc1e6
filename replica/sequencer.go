// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"bytes"
	"log/slog"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/input"
)

// Clock tells the time of day, which can be set, and one that only passes.
type Clock struct{ Wall, Passing func() time.Time }

// sequencer is where an aggregator is in the order of its entries.
type sequencer struct {
	aggregator *aggregator.Aggregator
	clock      Clock
	logger     *slog.Logger
	metrics    *metrics

	mu            sync.Mutex // the order
	began         time.Time  // as Clock.Passing said it
	base          int64      // ms, the time of entries then
	last          int64      // ms, of the latest entry
	next          uint64     // the number of the next entry
	tick          int64      // ms, the time of the latest tick
	configuration []byte     // the latest
	entry         input.Entry
}

// apply applies the next entry. The caller holds mu.
func (q *sequencer) apply(e *input.Entry) error {
	err := q.aggregator.Apply(e)
	q.next++
	q.last = e.Time
	switch {
	case e.Kind == input.KindTick:
		q.tick = e.Tick.At
	case e.Kind == input.KindConfigure && err == nil:
		q.configuration = bytes.Clone(e.Configuration)
	}
	return err
}
