// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"fmt"

	"github.com/skydive-project/skybridge/disk"
)

// FormatVersion is the version of the encoding of entries. A log keeps it beside its entries,
// for an entry does not say of which version it is.
const FormatVersion = 1

// Codec encodes and decodes entries. An entry is
//
//	kind u8, time varint, then by kind:
//	flows:         count uvarint, flows (flowcodec.go)
//	stats:         capture id text, flow count, dropped, dropped by the kernel,
//	               packets dropped, received varint
//	analyzer:      name text, state u8
//	tick:          at, interval, wall varint
//	configuration: text
//	start:         key of 16 bytes, at, sent varint
//	end:           last u8
//	topology:      whole, end u8, rows (topologycodec.go)
//
// where a text is its length as uvarint and its bytes. Both directions are one walk over the
// fields. The zero value is ready; it is for one goroutine.
type Codec struct{ flowCoder }

// Append appends the encoding of an entry, whose kind and, of an analyzer, whose state must be
// one of those above, and which has at most [MaxRows] rows.
func (c *Codec) Append(dst []byte, e *Entry) []byte {
	c.encoding, c.out = true, dst
	c.entry(e)
	dst, c.out = c.out, nil
	return dst
}

// Decode sets e to the entry that b is the encoding of, whole; the memory of its flows
// and rows is reused. Byte slices are valid until the next call or until b changes. An error wraps
// [disk.ErrDamaged], and what e is then is of no use.
func (c *Codec) Decode(b []byte, e *Entry) error {
	c.encoding, c.in, c.text = false, disk.Decoder{Rest: b}, c.text[:0]
	*e = Entry{
		Flows: e.Flows[:0], NodeNames: e.NodeNames[:0], AddressNames: e.AddressNames[:0],
		Interfaces: e.Interfaces[:0], CapturePackets: e.CapturePackets[:0],
	}
	c.entry(e)
	bad, rest := c.in.Bad, len(c.in.Rest)
	c.in = disk.Decoder{}
	switch {
	case bad:
		return fmt.Errorf("input: entry of %d bytes: %w", len(b), disk.ErrDamaged)
	case rest > 0:
		return fmt.Errorf("input: entry of %d bytes: %d too many: %w", len(b), rest, disk.ErrDamaged)
	}
	return nil
}

func (c *Codec) entry(e *Entry) {
	c.byte((*uint8)(&e.Kind))
	c.varint(&e.Time)
	switch e.Kind {
	case KindFlows:
		c.flows(e)
	case KindStats:
		s := &e.Stats
		c.bytes(&s.CaptureID)
		for _, v := range [...]*int64{&s.FlowCount, &s.FlowDropped, &s.KernelFlowDropped, &s.PacketsDropped, &s.PacketsReceived} {
			c.varint(v)
		}
	case KindAnalyzer:
		c.bytes(&e.Analyzer.Name)
		c.byte((*uint8)(&e.Analyzer.State))
		c.in.Bad = c.in.Bad || e.Analyzer.State-AnalyzerLive > AnalyzerGone-AnalyzerLive
	case KindTick:
		c.varint(&e.Tick.At)
		c.varint(&e.Tick.Interval)
		c.varint(&e.Tick.Wall)
	case KindConfigure:
		c.bytes(&e.Configuration)
	case KindStart:
		key := e.Start.Key[:]
		if c.raw(&key, len(e.Start.Key)); !c.encoding {
			copy(e.Start.Key[:], key)
		}
		c.varint(&e.Start.At)
		c.varint(&e.Start.Sent)
	case KindEnd:
		c.bool(&e.Last)
	case KindNodeNames:
		c.refresh(e)
		c.nodeNames(&e.NodeNames)
	case KindAddressNames:
		c.refresh(e)
		c.addressNames(&e.AddressNames)
	case KindInterfaces:
		c.refresh(e)
		c.interfaces(&e.Interfaces)
	case KindCapturePackets:
		c.refresh(e)
		c.capturePackets(&e.CapturePackets)
	default:
		c.in.Bad = true
	}
}

func (c *Codec) refresh(e *Entry) {
	c.bool(&e.Refresh.Whole)
	c.bool(&e.Refresh.End)
}
