// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"slices"
)

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
func (l *Layout) appendOverflow(dst []byte, f *Flow) []byte {
	for i, name := range l.Names {
		if i == l.Direction {
			continue
		}
		value := overflowValue
		if i := slices.Index(Protocols(), string(f.TransportProtocol)); name == labelProtocol && i >= 0 {
			value = Protocols()[i]
		}
		dst = append(append(dst, value...), Separator)
	}
	return dst
}
