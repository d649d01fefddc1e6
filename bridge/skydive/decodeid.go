// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

// layerID reads the ID of the link layer at i: the VLAN.
func (d *Decoder) layerID(b []byte, i int) (id int64, pos int) {
	if i >= len(b) || b[i] != '{' {
		return 0, d.nesting.skip(b, i, depthFlow)
	}
	i, more := open(b, i, '}')
	for field := unknown; more; {
		if field, i = d.field(b, i, layerKeys, field); i < 0 {
			return 0, i
		}
		if field == layerID {
			id, i = d.id(b, i)
		} else {
			i = d.nesting.skip(b, i, depthFlow+1)
		}
		i, more = next(b, i, '}')
	}
	return id, i
}

// id reads the ID of a layer; what is no number is as absent.
func (d *Decoder) id(b []byte, i int) (id int64, pos int) {
	id, i, ok := d.number(b, i, depthFlow+1)
	if !ok || id < 0 {
		id = 0
	}
	return id, i
}
