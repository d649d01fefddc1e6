// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	commoncfg "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"
)

func (l *Labels) parse(r *reader, n *yaml.Node, path string) {
	for _, p := range r.pairs(n, path) {
		label := Label{Name: p.name}
		if _, what, remedy := checkText("external label", p.name); what != "" {
			r.fail(p.path, what, remedy)
		} else if isNull(p.value) {
			r.fail(p.path, "has no value", "write one, or remove the label")
		} else {
			r.value(p.value, reflect.ValueOf(&label.Value).Elem(), p.path, key{tag: `is:"label value"`})
			*l = append(*l, label)
		}
	}
	slices.SortFunc(*l, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
}

func (l Labels) node(writer) *yaml.Node {
	m := newMapping()
	for _, label := range l {
		add(m, label.Name, textNode(label.Value))
	}
	return m
}

// headerName checks the name of a header that the operator adds (RFC 9110,
// section 5.1); some are the protocol's own.
func (r *reader) headerName(name, path string) bool {
	canonical := http.CanonicalHeaderKey(name)
	_, reserved := commoncfg.ReservedHeaders[canonical]
	switch {
	case canonical == "Authorization":
		r.fail(path, "must not be set as a header", "use basic_auth, authorization or oauth2")
	case reserved || canonical == "Retry-Attempt" || canonical == "Transfer-Encoding":
		r.fail(path, "is reserved to the protocol", "remove it")
	case !httpguts.ValidHeaderFieldName(name):
		r.fail(path, "is no valid name of a header", "use letters, digits and -, and a space after the colon")
	default:
		return true
	}
	return false
}

// maxNetworks bounds the prefixes that have names.
const maxNetworks = 100_000

func (c *Networks) parse(r *reader, n *yaml.Node, path string) {
	of, count := map[netip.Prefix]string{}, 0
	for _, p := range r.pairs(n, path) {
		network := Network{Name: p.name}
		if !labelValue(p.name) {
			r.fail(p.path, "is empty, longer than 256 bytes or cannot be printed", "choose a short name: it becomes the label's value")
		}
		if !isNull(p.value) {
			r.list(p.value, reflect.ValueOf(&network.Prefixes).Elem(), p.path, key{own: true})
		}
		for _, prefix := range network.Prefixes {
			if other, again := of[prefix]; again {
				r.fail(p.path, fmt.Sprintf("has %s, and so has the network %s", prefix, quoted(other)), "give each prefix one name; of those that overlap the longest wins")
			}
			of[prefix] = p.name
			count++
		}
		*c = append(*c, network)
	}
	if count > maxNetworks {
		r.fail(path, fmt.Sprintf("has %d prefixes", count), fmt.Sprintf("name at most %d", maxNetworks))
	}
}

func (c Networks) node(w writer) *yaml.Node {
	m := newMapping()
	for _, network := range c {
		add(m, network.Name, w.list(reflect.ValueOf(network.Prefixes), key{}))
	}
	return m
}

// String returns the form that the file has: 8000, 8000-8010, 8000/tcp.
func (p ServicePorts) String() string {
	s := strconv.Itoa(int(p.First))
	if p.Last != p.First {
		s += "-" + strconv.Itoa(int(p.Last))
	}
	if p.Protocol != "" {
		s += "/" + strings.ToLower(p.Protocol)
	}
	return s
}

func (p *ServicePorts) parse(r *reader, n *yaml.Node, path string) {
	s, ok := r.scalar(n, path)
	if !ok {
		return
	}
	numbers, protocol, hasProtocol := strings.Cut(s, "/")
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	*p = ServicePorts{uint16(from), uint16(to), strings.ToUpper(protocol)}
	known := !hasProtocol || slices.Contains([]string{"TCP", "UDP", "SCTP"}, p.Protocol)
	if err1 != nil || err2 != nil || from == 0 || from > to || !known {
		r.fail(path, "is "+quoted(s), notVariable(n, "write a port from 1 to 65535, or a range, for one protocol or for all: 8000, 8000-8010, 8000/tcp"))
	}
}
