// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

// rows walks the rows of an entry: their number as uvarint, and each as its choices and what
// they say that follows.
func rows[T any](c *textCoder, all *[]T, row func(*T)) {
	count := int64(len(*all))
	c.uvarint(&count)
	if count < 0 || count > MaxRows {
		c.in.Bad = true
		return
	}
	for i := range int(count) {
		if !c.encoding {
			if c.in.Bad {
				break
			}
			*all = append(*all, *new(T))
		}
		at := c.begin()
		row(&(*all)[i])
		c.end(at)
	}
	c.forget()
}

func (c *textCoder) nodeNames(all *[]NodeName) {
	var name, host, kind []byte // of the row before, as those below
	rows(c, all, func(n *NodeName) {
		c.flag(&n.Gone)
		c.bytes(&n.TID)
		if !n.Gone {
			c.word(&n.Name, &name)
			c.word(&n.Host, &host)
			c.word(&n.Type, &kind)
		}
	})
}

func (c *textCoder) addressNames(all *[]AddressName) {
	var address, name []byte
	rows(c, all, func(a *AddressName) {
		c.flag(&a.Gone)
		c.address(&a.Address, &address)
		if !a.Gone {
			c.word(&a.Name, &name)
		}
	})
}

func (c *textCoder) interfaces(all *[]Interface) {
	var name, host, kind []byte
	rows(c, all, func(i *Interface) {
		c.flag(&i.Gone)
		c.bytes(&i.NodeTID)
		c.word(&i.Name, &name)
		c.word(&i.Host, &host)
		c.word(&i.Type, &kind)
		c.bytes(&i.IPv4)
		c.bytes(&i.IPv6)
		if !i.Gone {
			for j := range i.Values {
				c.unsigned(&i.Values[j])
			}
		}
	})
}

func (c *textCoder) capturePackets(all *[]CapturePackets) {
	var capture []byte
	rows(c, all, func(p *CapturePackets) {
		c.flag(&p.Gone)
		c.word(&p.CaptureID, &capture)
		c.bytes(&p.NodeTID)
		if !p.Gone {
			c.unsigned(&p.Received)
			c.unsigned(&p.Dropped)
		}
	})
}

// unsigned is number for what is never negative.
func (c *textCoder) unsigned(v *uint64) {
	n := int64(*v)
	c.number(&n)
	*v = uint64(n)
}
