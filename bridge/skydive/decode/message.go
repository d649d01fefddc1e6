// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"fmt"

	"github.com/skydive-project/skybridge/input"
)

// Kind says what a message carries.
type Kind int

// The kinds of message.
const (
	// Other is a namespace or type that means nothing here, or nothing that
	// could be made out.
	Other Kind = iota
	// Flows is a message of namespace flow or flow/<capture>, type store.
	Flows
	// Stats is a message of namespace stats, type stats.
	Stats
)

// Message is a decoded message. Its byte slices are valid until the next
// [Decode].
type Message struct {
	Kind  Kind
	Flows []input.Flow
	Stats input.CaptureStats

	// Malformed counts the flows of the message that were left out, because of
	// what they are or because 4,096 others stand before them. FirstError
	// says what was wrong with the first of them.
	Malformed  int
	FirstError error
}

// maxFlows bounds the flows of a message, and with it their memory: small ones
// take more than ten times that of their text. Real messages have at most 100.
const maxFlows = 4096

var errManyFlows = fmt.Errorf("skydive: more than %d flows in one message", maxFlows)

// reset forgets the flows read so far and keeps their memory.
func (m *Message) reset() {
	*m = Message{Flows: m.Flows[:0]}
}

// next returns a zero flow at the end of the list.
func (m *Message) next() *input.Flow {
	if n := len(m.Flows); n < cap(m.Flows) {
		m.Flows = m.Flows[:n+1]
		m.Flows[n] = input.Flow{}
	} else {
		m.Flows = append(m.Flows, input.Flow{})
	}
	return &m.Flows[len(m.Flows)-1]
}

// drop takes the last flow back.
func (m *Message) drop() { m.Flows = m.Flows[:len(m.Flows)-1] }
