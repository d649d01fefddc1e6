// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
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
