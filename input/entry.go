// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

// Kind says what an [Entry] holds. The numbers are part of the format.
type Kind uint8

// The kinds of entry. Topology has no kind yet.
const (
	KindFlows     Kind = 1 // Flows
	KindStats     Kind = 2 // Stats
	KindAnalyzer  Kind = 3 // Analyzer
	KindTick      Kind = 4 // Tick
	KindConfigure Kind = 5 // Configuration
	KindKey       Kind = 6 // Key
	KindEnd       Kind = 7 // Last
)

// Entry is one input of the aggregator. Of the fields behind Time, those that its kind names
// count, and no others. An entry can be reused, its flows included; byte slices belong to the
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
	// Key is random, for what must not be predictable from outside.
	Key [16]byte
	// Last says that all series end for good, rather than to start again under other names.
	Last bool
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
// between two ticks of the grid, both in milliseconds.
type Tick struct{ At, Interval int64 }
