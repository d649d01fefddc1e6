// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package former

import (
	"slices"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/disk"
)

// replay applies records to a state. A record may be older than what a snapshot has; a later
// one then corrects it. So it is checked at the end whether what is referred to exists.
type replay struct {
	State
	limit     uint32 // on numbers
	listeners *label.Listeners
	captures  map[string]*Capture
	head      fileHead // of the latest file
	tail      int64    // of the snapshot; -1: none yet
	// What the latest tick ended: if it is undone, the stale markers are still to come.
	ended         map[uint32]Connection
	endedCaptures map[string]int64 // starts
	sent          bool             // the latest tick may have been sent although the log lacks it
}

func newReplay() *replay {
	return &replay{
		State:     State{Texts: map[uint32]string{}, Histories: map[uint32]Counts{}, Deferred: map[uint32]Counts{}},
		limit:     1 << 30, // above what the configuration allows
		listeners: label.NewListeners(func() {}),
		captures:  map[string]*Capture{},
		ended:     map[uint32]Connection{}, endedCaptures: map[string]int64{},
	}
}

// decoder reads what records are made of. Numbers are below limit.
type decoder struct {
	disk.Decoder
	limit uint32
}

func (d *decoder) id() uint32 {
	id := d.Uvarint()
	if d.Bad = d.Bad || id >= uint64(d.limit); d.Bad {
		return 0
	}
	return uint32(id)
}

func (d *decoder) counts() Counts {
	return Counts{Bytes: [2]uint64{d.Uvarint(), d.Uvarint()}, Packets: [2]uint64{d.Uvarint(), d.Uvarint()}}
}

func (d *decoder) phase(p byte) Phase {
	d.Bad = d.Bad || Phase(p) > Ended
	return Phase(p)
}

// incarnation reads the phase and whether it ends, and returns flags.
func (d *decoder) incarnation(c *Incarnation) (flags byte) {
	flags = d.Byte()
	c.Phase, c.Ending = d.phase(flags&7), flags&8 != 0
	return flags
}

// fileHead is the first record of a file: its number, whether it continues the journal before
// it (1) or nothing (0), and where that one ends.
type fileHead struct {
	number, how uint64
	end         int64
}

func (d *decoder) head() fileHead { return fileHead{d.Uvarint(), d.Uvarint(), int64(d.Uvarint())} }

// grow returns the element of that number, making a slice longer as needed.
func grow[T any](all *[]T, i uint32) *T {
	if n := int(i) + 1 - len(*all); n > 0 {
		*all = append(*all, make([]T, n)...)
	}
	return &(*all)[i]
}

// observer is the index of the observer that is that origin, or -1.
func (g *Conversation) observer(origin uint32) int {
	return slices.IndexFunc(g.Observers, func(o Observer) bool { return o.Origin == origin })
}
