// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ServicePorts names ports on which servers listen, of one protocol (TCP, UDP or
// SCTP) or of all ("").
type ServicePorts struct {
	First, Last uint16
	Protocol    string
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

// portPolicies returns the values of aggregation.ports, the default first.
func portPolicies() []string { return []string{"keep", "drop", "service"} }

// protocols returns the protocols that connections can have.
func protocols() []string { return []string{"TCP", "UDP", "SCTP"} }

// ports reads what the labels of ports tell.
func (r *reader) ports(o *object, c *Aggregation) {
	o.text("ports", &c.Ports)
	isPort := func(label string) bool { return label == "initiator_port" || label == "target_port" }
	labels := slices.ContainsFunc(c.Labels, func(l string) bool { return !isPort(l) })
	switch {
	case !slices.Contains(portPolicies(), c.Ports):
		r.fail(o.lineOf("ports"), "aggregation.ports is "+quoted(c.Ports), "use "+strings.Join(portPolicies(), ", "))
	case c.Ports == "drop" && len(c.Labels) > 0 && !labels:
		r.fail(o.lineOf("ports"), "aggregation.ports is drop, and labels has nothing but ports", "add another label, or remove ports")
	case o.has("ports") && c.Ports != "keep" && !slices.ContainsFunc(c.Labels, isPort):
		r.warn(o.lineOf("ports"), "aggregation.ports has no effect: no port is among the labels")
	}
	seen := set[ServicePorts]{}
	for _, it := range o.texts("service_ports") {
		p, ok := parseServicePorts(it.text)
		switch {
		case !ok:
			r.fail(it.line, "aggregation.service_ports has "+quoted(it.text), "write a port from 1 to 65535, or a range, for one protocol or for all: 8000, 8000-8010, 8000/tcp")
		case !seen.add(p):
			r.warn(it.line, fmt.Sprintf("aggregation.service_ports has %s twice", p))
		default:
			c.ServicePorts = append(c.ServicePorts, p)
		}
	}
	if len(c.ServicePorts) > 0 && c.Ports != "service" {
		r.warn(o.lineOf("service_ports"), "aggregation.service_ports has no effect unless ports is service")
	}
}

func parseServicePorts(s string) (p ServicePorts, ok bool) {
	numbers, protocol, hasProtocol := strings.Cut(s, "/")
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	if hasProtocol {
		if p.Protocol = strings.ToUpper(protocol); !slices.Contains(protocols(), p.Protocol) {
			return p, false
		}
	}
	if !validPort(first, 1) || !validPort(last, 1) {
		return p, false
	}
	from, _ := strconv.Atoi(first) // valid, see above
	to, _ := strconv.Atoi(last)
	p.First, p.Last = uint16(from), uint16(to)
	return p, p.First <= p.Last
}
