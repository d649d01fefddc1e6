// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

// Kind says what an [Entry] holds. The numbers are part of the format.
type Kind uint8

// The kinds of entry.
const (
	KindFlows          Kind = 1  // Flows
	KindStats          Kind = 2  // Stats
	KindAnalyzer       Kind = 3  // Analyzer
	KindTick           Kind = 4  // Tick
	KindConfigure      Kind = 5  // Configuration
	KindStart          Kind = 6  // Start
	KindEnd            Kind = 7  // Last
	KindNodeNames      Kind = 8  // NodeNames and, as those below, Refresh
	KindAddressNames   Kind = 9  // AddressNames
	KindInterfaces     Kind = 10 // Interfaces
	KindCapturePackets Kind = 11 // CapturePackets
)

// Entry is one input of the aggregator. Of the fields behind Time, those that its kind names
// count, and no others. An entry can be reused, its flows and rows included; byte slices belong to the
// caller, as those of a [Flow] do.
type Entry struct {
	Kind Kind
	// Time is when the entry was made, in milliseconds on a clock that is never set back: never
	// less than that of the entry before.
	Time int64

	Flows    []Flow // a batch of records
	Stats    CaptureStats
	Analyzer Analyzer
	Tick     Tick
	// Configuration is all that decides about counting and the names of series. It is opaque
	// here.
	Configuration []byte
	Start         Start
	// Last says that all series end for good, rather than to start again under other names.
	Last bool
	// What has changed in the topology, of one kind, [MaxRows] rows at most.
	Refresh        Refresh
	NodeNames      []NodeName
	AddressNames   []AddressName
	Interfaces     []Interface
	CapturePackets []CapturePackets
}

// Analyzer says that an analyzer of the feed has changed its state.
type Analyzer struct {
	Name  []byte
	State AnalyzerState
}

// AnalyzerState is how an analyzer stands. The numbers are part of the format.
type AnalyzerState uint8

// The states of an analyzer.
const (
	AnalyzerLive AnalyzerState = 1 // subscribed to
	AnalyzerDown AnalyzerState = 2 // configured, but not connected
	AnalyzerGone AnalyzerState = 3 // no longer configured
)

// Tick says that all series are sampled: At is the time of the samples, Interval the time
// between two ticks of the grid, Wall the time of day, all in milliseconds.
type Tick struct{ At, Interval, Wall int64 }

// Start says that a process begins.
type Start struct {
	// Key is random, for what must not be predictable from outside. The first one counts.
	Key [16]byte
	// At is when it began, or the time of the latest tick in the log of ticks where that is
	// later, in milliseconds: samples come after it.
	At int64
	// Sent is the time of the latest tick in the log of ticks, 0: there is none; negative:
	// nothing is sent, and what the log has does not matter.
	Sent int64
}
