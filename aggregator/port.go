// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"strconv"

	"github.com/skydive-project/skybridge/input"
)

// PortPolicy says what the labels initiator_port and target_port show.
type PortPolicy string

// The policies for ports.
const (
	// KeepPorts shows every port; "" is the same.
	KeepPorts PortPolicy = "keep"
	// DropPorts leaves the labels out.
	DropPorts PortPolicy = "drop"
	// ServicePorts shows the port of the server's end where that is known; all others are
	// shown as ephemeral.
	ServicePorts PortPolicy = "service"
)

// ephemeralPort is the value for a port that is not shown.
const ephemeralPort = "ephemeral"

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

// services decides which end of a connection is the server's. Which port is the smaller one
// does not matter.
type services struct {
	listed    map[string]*portSet // by protocol
	other     *portSet            // those of all other protocols
	listeners *listeners
	key       []byte // scratch
}

func newServices(own []PortRange, known *listeners) *services {
	s := &services{listed: map[string]*portSet{}, other: &portSet{}, listeners: known}
	for protocol, list := range wellKnownServices() {
		set := &portSet{}
		for _, r := range list {
			set.add(r.First, r.Last)
		}
		s.listed[protocol] = set
	}
	for _, r := range own {
		for protocol, set := range s.listed {
			if r.Protocol == "" || r.Protocol == protocol {
				set.add(r.First, r.Last)
			}
		}
		if r.Protocol == "" {
			s.other.add(r.First, r.Last)
		}
	}
	return s
}

// end is one end of a connection.
type end uint8

const (
	noEnd end = iota
	endA
	endB
)

// server returns the server's end of a flow's connection, where known: the end that answered
// the one that opened the connection; else one that answered on this address and port before;
// else one with a listed port. The target wins a tie.
func (s *services) server(f *input.Flow) end {
	// Skydive takes the second SYN of the opening end for one of the other, so an answer
	// needs packets of the other.
	switch {
	case f.Opened == input.OpenedByA && f.Metric.BAPackets > 0:
		s.listeners.learn(s.listener(f.NetworkB, f.TransportB, f))
		return endB
	case f.Opened == input.OpenedByB && f.Metric.ABPackets > 0:
		s.listeners.learn(s.listener(f.NetworkA, f.TransportA, f))
		return endA
	}
	if !s.listeners.empty() {
		switch {
		case s.listeners.knows(s.listener(f.NetworkB, f.TransportB, f)):
			return endB
		case s.listeners.knows(s.listener(f.NetworkA, f.TransportA, f)):
			return endA
		}
	}
	set := s.listed[string(f.TransportProtocol)]
	if set == nil {
		set = s.other
	}
	switch {
	case set.has(f.TransportB):
		return endB
	case set.has(f.TransportA):
		return endA
	}
	return noEnd
}

// listener returns the key of an address with a port.
func (s *services) listener(address []byte, port int64, f *input.Flow) []byte {
	s.key = append(append(s.key[:0], address...), ' ')
	s.key = append(strconv.AppendInt(s.key, port, 10), ' ')
	s.key = append(s.key, f.TransportProtocol...)
	return s.key
}
