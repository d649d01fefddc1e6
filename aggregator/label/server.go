// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"strconv"

	"github.com/skydive-project/skybridge/input"
)

// end is one end of a connection.
type end uint8

const (
	noEnd end = iota
	endA
	endB
)

// services decides which end of a connection is the server's. Which port is the smaller one
// does not matter.
type services struct {
	listed    map[string]*portSet // by protocol
	other     *portSet            // those of all other protocols
	listeners *Listeners
	key       []byte // scratch
}

func newServices(own []PortRange, known *Listeners) *services {
	s := &services{listed: map[string]*portSet{}, other: &portSet{}, listeners: known}
	for _, protocol := range Protocols() {
		set := &portSet{}
		for _, r := range append(wellKnownServices(protocol), own...) {
			if r.Protocol == "" || r.Protocol == protocol {
				set.add(r.First, r.Last)
			}
		}
		s.listed[protocol] = set
	}
	for _, r := range own {
		if r.Protocol == "" {
			s.other.add(r.First, r.Last)
		}
	}
	return s
}

// server returns the server's end of a flow's connection, where known: the end that answered
// the one that opened the connection; else one that answered on this address and port before;
// else one with a listed port. The target wins a tie.
func (s *services) server(f *input.Flow) end {
	// Skydive takes the second SYN of the opening end for one of the other, so an answer
	// needs packets of the other.
	switch {
	case f.Opened == input.OpenedByA && f.Metric.BAPackets > 0:
		s.listeners.Learn(s.listener(f.NetworkB, f.TransportB, f))
		return endB
	case f.Opened == input.OpenedByB && f.Metric.ABPackets > 0:
		s.listeners.Learn(s.listener(f.NetworkA, f.TransportA, f))
		return endA
	}
	if s.listeners.Len() > 0 {
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
