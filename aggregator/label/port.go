// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

// Ports says what the labels initiator_port and target_port show.
type Ports string

// The policies for ports.
const (
	// KeepPorts shows every port; "" is the same.
	KeepPorts Ports = "keep"
	// DropPorts leaves the labels out.
	DropPorts Ports = "drop"
	// ServicePorts shows the port of the server's end where that is known; all others are
	// shown as ephemeral.
	ServicePorts Ports = "service"
)

// ephemeral is the value for a port that is not shown.
const ephemeral = "ephemeral"

// PortRange is a range of ports, of one protocol or of all ("").
type PortRange struct {
	Protocol    string
	First, Last uint16
}

// portSet is a set of ports.
type portSet [1 << 16 / 64]uint64

func (s *portSet) add(first, last uint16) {
	for p := uint32(first); p <= uint32(last); p++ {
		s[p>>6] |= 1 << (p & 63)
	}
}

func (s *portSet) has(port int64) bool {
	return port >= 0 && port < 1<<16 && s[port>>6]>>(port&63)&1 != 0
}
