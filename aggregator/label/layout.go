// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/input"
)

// The two directions of a connection, as values of the label direction.
const (
	InitiatorToTarget = "initiator_to_target"
	TargetToInitiator = "target_to_initiator"
)

// Separator follows each label value of a connection, SeparatorText is it as a text. It does
// not occur in valid UTF-8.
const (
	Separator     = 0xFF
	SeparatorText = "\xff"
)

// Overflow is the value of every label but direction and protocol on the series of the
// overflow.
const Overflow = "other"

// Layout says which labels connections have. It is immutable and shared.
type Layout struct {
	// Names are the label names, sorted, direction included where chosen.
	Names []string
	// Direction is the index of the label direction in Names, or -1.
	Direction int
	// Policy differs between layouts whose values are made in different ways; see
	// [Config.Layout].
	Policy string
}

// NewLayout returns the layout of some labels, without a policy. They are sorted, as receivers
// require. It is an error if there is none, one that is not of [All], or one twice.
func NewLayout(names []string) (*Layout, error) {
	l := &Layout{Names: slices.Sorted(slices.Values(names))}
	if len(l.Names) == 0 {
		return nil, errors.New("label: no labels chosen: choose at least one")
	}
	known := All()
	for i, name := range l.Names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("label: unknown label %q: choose among %v", name, known)
		}
		if i > 0 && name == l.Names[i-1] {
			return nil, fmt.Errorf("label: label %q is chosen twice: name it once", name)
		}
	}
	l.Direction = slices.Index(l.Names, direction)
	return l, nil
}

// Equal reports whether two layouts give a flow the same labels.
func (l *Layout) Equal(o *Layout) bool {
	return l.Policy == o.Policy && slices.Equal(l.Names, o.Names)
}

// Values iterates over a connection's label values, as [Builder.Append] wrote them: their
// indices in Names, and "" for direction and for what the connection lacks.
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

// Directions is how many tuples a connection has: two with the label direction, else one
// with the sum.
func (l *Layout) Directions() int {
	if l.Direction < 0 {
		return 1
	}
	return 2
}

// AppendOverflow appends the label values of the overflow for a flow. A protocol that Skydive
// does not know is [Overflow], or a hostile feed could make series by inventing some.
func (l *Layout) AppendOverflow(dst []byte, f *input.Flow) []byte {
	for i, name := range l.Names {
		if i == l.Direction {
			continue
		}
		value := Overflow
		if name == protocol {
			if p := string(f.TransportProtocol); slices.Contains(Protocols(), p) {
				value = p
			}
		}
		dst = append(append(dst, value...), Separator)
	}
	return dst
}
