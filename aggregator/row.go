// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/input"
)

// The two directions of a connection, as values of the label direction.
const (
	DirectionInitiatorToTarget = "initiator_to_target"
	DirectionTargetToInitiator = "target_to_initiator"
)

// Separator follows each label value in [Row.Values], SeparatorText is it as a text. It
// does not occur in valid UTF-8.
const (
	Separator     = 0xFF
	SeparatorText = "\xff"
)

// Layout says which labels connections have. It is immutable and shared.
type Layout struct {
	// Names are the label names, sorted, direction included where chosen.
	Names []string
	// Direction is the index of the label direction in Names, or -1.
	Direction int
	// policy differs between layouts whose values are made in different ways.
	policy string
}

// Values iterates over the values of a [Row] of this layout: their indices in Names,
// and "" for direction and for what the connection lacks.
func (l *Layout) Values(values string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		rest := values
		for i := range l.Names {
			value := ""
			if i != l.Direction {
				value, rest, _ = strings.Cut(rest, SeparatorText)
			}
			if !yield(i, value) {
				return
			}
		}
	}
}

// Row is one connection as it was last sampled.
type Row struct {
	Layout *Layout
	// Values are the label values in the order of Layout.Names without direction, each
	// followed by [Separator]. An empty value means no such label.
	Values string
	// Bytes and Packets are indexed by direction: 0 is initiator to target, 1
	// the other. Without a direction label 0 holds the sum and 1 is unused.
	Bytes, Packets [2]uint64
	// Gauges are of both directions.
	Gauges Gauges
}

// CaptureRow is one capture's statistics as last sampled.
type CaptureRow struct {
	CaptureID                                                                  string
	FlowCount, FlowDropped, KernelFlowDropped, PacketsDropped, PacketsReceived uint64
	FlowsKnown                                                                 uint64 // 0: not known
	HasPackets                                                                 bool   // the topology has its packets, and they are current
}

// overflowValue is the value of every label but direction and protocol on the tuples of the
// overflow.
const overflowValue = "other"

// newLayout sorts the chosen label names, as receivers require.
func newLayout(labels []string) (*Layout, error) {
	l := &Layout{Names: slices.Sorted(slices.Values(labels))}
	if len(l.Names) == 0 {
		return nil, fmt.Errorf("aggregator: no labels chosen: choose at least one")
	}
	known := AllLabels()
	for i, name := range l.Names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("aggregator: unknown label %q: choose among %v", name, known)
		}
		if i > 0 && name == l.Names[i-1] {
			return nil, fmt.Errorf("aggregator: label %q is chosen twice: name it once", name)
		}
	}
	l.Direction = slices.Index(l.Names, labelDirection)
	return l, nil
}

// directions is how many tuples a connection has: two with the label direction, else one
// with the sum.
func (l *Layout) directions() int {
	if l.Direction < 0 {
		return 1
	}
	return 2
}

// appendOverflow appends the label values of the overflow for a flow. A protocol that Skydive
// does not know is "other", or a hostile feed could make series by inventing some.
func (l *Layout) appendOverflow(dst []byte, f *input.Flow) []byte {
	for i, name := range l.Names {
		if i == l.Direction {
			continue
		}
		value := overflowValue
		if name == labelProtocol {
			if p := string(f.TransportProtocol); slices.Contains(Protocols(), p) {
				value = p
			}
		}
		dst = append(append(dst, value...), Separator)
	}
	return dst
}
