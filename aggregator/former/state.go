// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package former reads the state directory of a version that kept a journal of changes, once: at
// the first start of a version that keeps a journal of inputs. A release later it is removed,
// with aggregator/former.go and the call of both.
package former

import (
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// State is what the former process left. Slices are by number; what is not used has a free
// number. Times are in ms on the clock of an agent or of ticks, durations are feed time.
type State struct {
	// Continues: the counters continue. Else ResetReason is why not, empty at the first start
	// of all, and only Cut, SentUntil, LastTick, EarliestZero and Latest are set.
	Continues   bool
	ResetReason string
	Cut         int64 // bytes at the end of the journal that a crash had torn
	// SentUntil, where not 0, says that receivers may have samples up to that time that the log
	// of ticks does not have.
	SentUntil    int64
	LastTick     int64 // of the state or of the log of ticks, the later one
	EarliestZero int64 // before it, series may have samples of a former layout or tick
	Latest       Tick

	FeedTime        time.Duration
	ConversationKey [16]byte      // zero: not known
	Layout          *label.Layout // nil: not known
	Listeners       []label.Listener
	ListenerHand    int // see [label.Listeners.State]

	Origins       []*Origin // nil: a free number
	Baselines     []Baseline
	Texts         map[uint32]string // UUIDs of baselines that are no numbers
	Histories     map[uint32]Counts // what of baselines does not count
	Conversations []Conversation
	Connections   []Connection
	Deferred      map[uint32]Counts // traffic of connections that waits for the next incarnation
	Captures      []*Capture
}

// Tick has the times of a tick, of the one before, and of the zeros of counters that begin with
// it; 0 is none.
type Tick struct{ Before, At, Zero int64 }

// Counts are cumulative numbers by direction.
type Counts struct{ Bytes, Packets [2]uint64 }

// Origin is one capture on one node. Of evicted baselines it has the latest Start and the latest
// update.
type Origin struct {
	NodeTID, CaptureID      string
	Period, Expire          time.Duration // flow.update and flow.expire of the node
	Epoch, AlignedEpoch     int64
	Evicted, EvictedByBound [2]int64
	Began                   time.Duration // of the clock's generation that AlignedEpoch is of
	Clock                   *Clock        // of the node; nil: not known
	Held                    []input.Flow  // records that wait for a pending step
}

// Clock is what is known about the clock of a node's agent.
type Clock struct {
	Latest, Lead, Floor, AmbiguousUntil int64
	Began                               time.Duration
	Pending                             bool // a step, by records from Lowest to Highest
	Lowest, Highest                     int64
}

// Baseline is the last cumulative metric of a flow.
type Baseline struct {
	Counts
	UUID, Conversation                                uint64 // 0: not known
	Start, Last                                       int64
	Seen                                              time.Duration
	Origin                                            uint32
	Shared                                            uint32 // number of the conversation plus 1; 0: not shared
	Used, Ended, Low, Observed, Outer, Mixed, LeftOut bool
}

// Conversation is one with several observers.
type Conversation struct {
	Total, History Counts
	Raised         time.Duration
	Primary        uint32 // origin
	Used, Low      bool
	Observers      []Observer
}

// Observer is an origin that sees a conversation.
type Observer struct {
	View, PreviousView, StartView, OwnCounts Counts
	ViewAt, PreviousAt, Start, MergedUntil   int64
	Seen                                     time.Duration
	Origin                                   uint32
	Aligned, FromStart, Trusted              bool
}

// Incarnation is where a connection or a capture is between its zeros and its stale markers.
type Incarnation struct {
	Start  int64
	Phase  Phase
	Ending bool
}

// Phase is a part of an incarnation.
type Phase uint8

// The phases, as numbered in the files.
const (
	Fresh Phase = iota
	Live
	Closing
	Ended
)

// Connection has the counters of a connection.
type Connection struct {
	Counts
	Incarnation
	Values                  string
	Traffic                 time.Duration
	RTT                     uint64
	Origin                  uint32
	Used, Overflow, Demoted bool
}

// Capture has the statistics of a capture, FlowCount as of the latest tick.
type Capture struct {
	Incarnation
	ID                                                                         string
	FlowCount, FlowDropped, KernelFlowDropped, PacketsDropped, PacketsReceived uint64
	Seen                                                                       time.Duration
	Tables                                                                     []Table
}

// Table is a flow table's latest report.
type Table struct {
	Seen      time.Duration
	FlowCount int64
}
