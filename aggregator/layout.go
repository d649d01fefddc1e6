// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The labels that a connection can have, by name.
const (
	labelDirection     = "direction"
	labelInitiatorIP   = "initiator_ip"
	labelInitiatorPort = "initiator_port"
	labelNodeTID       = "node_tid"
	labelProtocol      = "protocol"
	labelTargetIP      = "target_ip"
	labelTargetPort    = "target_port"
)

// overflowValue is what every label but direction and protocol says on the
// tuples that take what max_series has no room for.
const overflowValue = "other"

// DefaultLabels returns the labels of a connection where the operator chose
// none: those of the connector that skybridge replaces.
func DefaultLabels() []string {
	return []string{
		labelInitiatorIP, labelTargetIP, labelInitiatorPort, labelTargetPort,
		labelDirection, labelNodeTID, labelProtocol,
	}
}

// newLayout sorts the chosen label names, as receivers demand them.
func newLayout(labels []string) (*Layout, error) {
	l := &Layout{Names: slices.Sorted(slices.Values(labels))}
	if len(l.Names) == 0 {
		return nil, fmt.Errorf("aggregator: no labels chosen: choose at least one")
	}
	known := DefaultLabels()
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

// directions is how many tuples a connection has: one for each direction where
// the label tells them apart, else one that holds the sum.
func (l *Layout) directions() int {
	if l.Direction < 0 {
		return 1
	}
	return 2
}

// appendValues appends the label values of a flow's connection to dst, in the
// form of [Row.Values]. They are the connection's identity as well as its text.
func (l *Layout) appendValues(dst []byte, f *Flow) []byte {
	for i, name := range l.Names {
		if i == l.Direction {
			continue
		}
		switch name {
		case labelInitiatorIP:
			dst = appendText(dst, f.NetworkA)
		case labelTargetIP:
			dst = appendText(dst, f.NetworkB)
		case labelInitiatorPort:
			dst = strconv.AppendInt(dst, f.TransportA, 10)
		case labelTargetPort:
			dst = strconv.AppendInt(dst, f.TransportB, 10)
		case labelNodeTID:
			dst = appendText(dst, f.NodeTID)
		case labelProtocol:
			dst = appendText(dst, f.TransportProtocol)
		}
		dst = append(dst, Separator)
	}
	return dst
}

// appendOverflow appends the label values of the tuples that take this flow's
// traffic when series are at their bound. A protocol that Skydive does not
// know is itself "other", or a hostile feed could grow series by inventing some.
func (l *Layout) appendOverflow(dst []byte, f *Flow) []byte {
	for i, name := range l.Names {
		if i == l.Direction {
			continue
		}
		value := overflowValue
		if name == labelProtocol {
			switch p := string(f.TransportProtocol); p {
			case "TCP", "UDP", "SCTP":
				value = p
			}
		}
		dst = append(append(dst, value...), Separator)
	}
	return dst
}

// appendText appends s, with every byte that is not UTF-8 replaced: receivers
// refuse other label values, and [Separator] must stay unambiguous.
func appendText(dst, s []byte) []byte {
	if utf8.Valid(s) {
		return append(dst, s...)
	}
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		dst = utf8.AppendRune(dst, r)
		s = s[n:]
	}
	return dst
}
