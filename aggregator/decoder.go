// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
)

// decoder reads the aggregator's records, in which numbers are below limit.
type decoder struct {
	disk.Decoder
	limit uint32
}

func (d *decoder) gauges() (g Gauges) {
	for i := range g {
		g[i] = d.Uvarint()
	}
	return g
}

// id reads a number.
func (d *decoder) id() uint32 {
	v := d.Uvarint()
	if v >= uint64(d.limit) {
		d.Bad = true
		return 0
	}
	return uint32(v)
}

// originID reads the id of an origin.
func (d *decoder) originID() uint32 {
	id := d.id()
	if id >= maxOrigins {
		d.Bad = true
		return 0
	}
	return id
}

func (d *decoder) counts(c *counts) {
	*c = counts{
		bytes:   [2]uint64{d.Uvarint(), d.Uvarint()},
		packets: [2]uint64{d.Uvarint(), d.Uvarint()},
	}
}

func (d *decoder) stats(s *input.CaptureStats) {
	s.FlowCount, s.FlowDropped, s.KernelFlowDropped = d.Varint(), d.Varint(), d.Varint()
	s.PacketsDropped, s.PacketsReceived = d.Varint(), d.Varint()
}
