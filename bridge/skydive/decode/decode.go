// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package decode reads the messages that a Skydive analyzer sends: bytes in, flow
// records and capture statistics out. It knows neither connections nor metrics.
//
// It scans the JSON itself: encoding/json takes more than twenty times as long
// (docs/reference/sizing.md). A fuzz target holds it against encoding/json.
package decode

import (
	"bytes"
	"errors"
	"fmt"
)

var (
	errNoObject    = errors.New("not a JSON object")
	errEnvelope    = errors.New("Namespace or Type is not a string")
	errFlowsObject = errors.New("Obj of a flow message is not an array")
)

// readEnvelope is the outer object as far as it has been read. Obj can stand
// before the fields that say what it is, and any of them can come twice.
type envelope struct {
	namespace, kind       []byte
	badNamespace, badKind bool
	object                int  // position of the last Obj, 0: none
	decoded               bool // its flows are in the message
}

// holds says what this envelope's Obj is.
func (e *envelope) holds() Kind {
	switch {
	case e.badNamespace || e.badKind:
		return Other
	case string(e.kind) == "store" &&
		(string(e.namespace) == "flow" || bytes.HasPrefix(e.namespace, []byte("flow/"))):
		return Flows
	case string(e.kind) == "stats" && string(e.namespace) == "stats":
		return Stats
	}
	return Other
}

// Decode reads one message of an analyzer into m, reusing its memory. It looks at
// the fields that counting needs and only walks over the rest; a message in Skydive's
// usual shape costs no allocation. The slices in m alias msg: they are valid until the
// next call or until msg changes. An error means that the message was malformed as a
// whole or from some point on; the flows in m count even so.
//
// What it makes of odd input: keys match exactly; of a key that repeats the
// last one wins; null is the same as absent; numbers may have any form (12.0,
// 1e3) but must be integral and fit into an int64. A flow that breaks these
// rules, lacks UUID or Metric, or has a negative counter in Metric is left out
// and counted, as are all after a message's first 4,096 sound ones; the others
// of its message stand. Application, ParentUUID, LayersPath and TCPMetric of
// another type are as absent. Where the JSON itself is
// broken the message ends; the flows before that stand.
func Decode(msg []byte, m *Message) error {
	m.reset()
	var e envelope
	err := readEnvelope(msg, &e, m)
	kind := e.holds()
	if kind != Flows {
		m.reset() // what was taken for flows before the last Namespace said otherwise
	}
	switch kind {
	case Flows:
		if e.object == 0 {
			break
		}
		if !e.decoded {
			readFlows(msg, e.object, m) // a fault in it is in err already
		}
		if err == nil && msg[e.object] != '[' && msg[e.object] != 'n' {
			err = errFlowsObject
		}
	case Stats:
		if err == nil {
			err = readStats(msg, e.object, m)
		}
		if err != nil {
			kind = Other
		}
	default:
		if err == nil && (e.badNamespace || e.badKind) {
			err = errEnvelope
		}
	}
	m.Kind = kind
	if err != nil {
		return fmt.Errorf("skydive: message of %d bytes: %w", len(msg), err)
	}
	return nil
}

// readEnvelope reads the outer object. Flows are decoded on the way where the
// fields before them say that they are flows.
func readEnvelope(b []byte, e *envelope, m *Message) error {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		if i = skip(b, i, 0); i < 0 {
			return broken(i)
		}
		return errNoObject
	}
	i, more := open(b, i, '}')
	for more {
		var key []byte
		if key, i = readKey(b, i); i < 0 {
			break
		}
		switch string(key) {
		case "Namespace":
			i = readEnvelopeText(b, i, &e.namespace, &e.badNamespace)
		case "Type":
			i = readEnvelopeText(b, i, &e.kind, &e.badKind)
		case "Obj":
			m.reset() // an Obj before this one
			e.object = i
			if e.decoded = e.holds() == Flows; e.decoded {
				i = readFlows(b, i, m)
			} else {
				i = skip(b, i, 1)
			}
		default:
			i = skip(b, i, 1)
		}
		i, more = next(b, i, '}')
	}
	if i < 0 {
		return broken(i)
	}
	if i = skipSpace(b, i); i < len(b) {
		return broken(fault(i))
	}
	return nil
}

// readEnvelopeText reads a string that holds from when it is complete.
func readEnvelopeText(b []byte, i int, text *[]byte, bad *bool) int {
	s, i, ok := readText(b, i, 1)
	if i >= 0 {
		*text, *bad = s, !ok
	}
	return i
}
