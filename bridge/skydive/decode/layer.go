// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

// layer is what a flow says of one of its layers.
type layer struct {
	present      bool
	protocol     []byte
	a, b         []byte // the ends, but of the transport layer
	portA, portB int64  // the ends of the transport layer
	id           int64  // what is no number from 0 is as absent
}

// The fields of a layer, as in layerKeys.
const (
	layerProtocol = iota
	layerA
	layerB
	layerID
)

var layerKeys = keysOf("Protocol", "A", "B", "ID")

// readLayer reads the layer at i, whose ends may be ports. odd has the fields that
// are of another type.
func readLayer(b []byte, i, depth int, l *layer, ports bool) (odd faults, pos int) {
	*l = layer{}
	if l.present, odd, i = begins(b, i, depth); !l.present {
		return odd, i
	}
	depth++
	i, more := open(b, i, '}')
	for field := unknown; more; {
		if field, i = readField(b, i, layerKeys, field); i < 0 {
			return odd, i
		}
		ok := true
		switch {
		case field == layerProtocol:
			l.protocol, i, ok = readText(b, i, depth)
		case field == layerA && ports:
			l.portA, i, ok = readNumber(b, i, depth)
		case field == layerA:
			l.a, i, ok = readText(b, i, depth)
		case field == layerB && ports:
			l.portB, i, ok = readNumber(b, i, depth)
		case field == layerB:
			l.b, i, ok = readText(b, i, depth)
		case field == layerID:
			if l.id, i, ok = readNumber(b, i, depth); !ok || l.id < 0 {
				l.id = 0
			}
		default:
			i = skip(b, i, depth)
		}
		if field != unknown {
			odd = odd.with(1<<field, ok)
		}
		i, more = next(b, i, '}')
	}
	return odd, i
}
