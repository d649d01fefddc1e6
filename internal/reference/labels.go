// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// View says which labels counters have, and what their values are made by.
type View struct {
	Labels []string
	// Ports is keep (""), drop or service; Services are the ports of servers, such
	// as "TCP/443".
	Ports    string
	Services map[string]bool
	// Networks are CIDRs with their names; Cluster are the CIDRs of flow_class.
	Networks map[string]string
	Cluster  []string
	// What does not count: classes, CIDRs that either end is in, protocols,
	// applications.
	ExcludeClasses, ExcludeNetworks, ExcludeProtocols, ExcludeApplications []string
	// Tunnels is what of a tunnel counts: both (""), inner or outer.
	Tunnels string
	// Portless is whether flows with addresses but no ports count: skip (""), count.
	Portless string
}

// Excluded returns the bytes of what a view excludes.
func (r *Reference) Excluded(v View) (bytes uint64) {
	for _, f := range r.flows {
		for i := range 2 {
			if n := f.last[i] - f.history[i]; n > 0 && v.has(f.record) && r.excludes(v, f.record) {
				bytes += uint64(n)
			}
		}
	}
	return bytes
}

// has says whether a flow is a connection.
func (v View) has(f analyzer.Flow) bool {
	return f.Transport != nil || v.Portless == "count" && f.Network != nil
}

// protocol is that of a flow, without ports the application.
func protocol(f analyzer.Flow) string {
	if f.Transport == nil {
		return f.Application
	}
	return f.Transport.Protocol
}

// excludes says whether a connection does not count.
func (r *Reference) excludes(v View, f analyzer.Flow) bool {
	return v.Tunnels == "outer" && r.isCarried(v, f) || v.excludes(f)
}

// isCarried says whether a flow is inside a tunnel whose own flow counts, as one does
// that is not known.
func (r *Reference) isCarried(v View, f analyzer.Flow) bool {
	if f.ParentUUID == "" {
		return false
	}
	carrier := r.flows[[2]string{f.ParentUUID, f.CaptureID}]
	return carrier == nil || v.has(carrier.record) && !v.excludes(carrier.record) || r.isCarried(v, carrier.record)
}

func (v View) excludes(f analyzer.Flow) bool {
	var a, b string
	if f.Network != nil {
		a, b = f.Network.A, f.Network.B
	}
	return v.Tunnels == "inner" && carries(f) ||
		slices.Contains(v.ExcludeClasses, v.class(a, b)) ||
		slices.Contains(v.ExcludeProtocols, protocol(f)) ||
		slices.Contains(v.ExcludeApplications, f.Application) ||
		slices.ContainsFunc(v.ExcludeNetworks, func(cidr string) bool {
			_, fromThere := inside(cidr, a)
			_, toThere := inside(cidr, b)
			return fromThere || toThere
		})
}

// carries says whether a flow is a tunnel's own, which carries others.
func carries(f analyzer.Flow) bool {
	layers := strings.Split(f.LayersPath, "/")
	return slices.Contains([]string{"VXLAN", "GENEVE", "GRE", "MPLS"}, layers[len(layers)-1])
}

// By returns by how much each counter of a view must have increased, those only that
// did, by [Name].
func (r *Reference) By(v View) map[string]uint64 {
	totals := map[string]uint64{}
	for _, f := range r.order {
		if !v.has(f.record) || r.excludes(v, f.record) {
			continue
		}
		for i := range f.last {
			if f.last[i] > f.history[i] {
				totals[v.name(f.record, i)] += uint64(f.last[i] - f.history[i])
			}
		}
	}
	return totals
}

// name is that of one of a flow's counters, which are in the order of [flow.last].
func (v View) name(f analyzer.Flow, i int) string {
	values := map[string]string{"direction": []string{"initiator_to_target", "target_to_initiator"}[i%2]}
	for _, label := range v.Labels {
		if label != "direction" {
			values[label] = v.value(f, label)
		}
	}
	return Name([]string{"bytes", "packets"}[i/2], values, v.Labels)
}

// Name is what a counter is called here: bytes or packets, which its metric's name ends
// in, and some of its labels in order, those with a value, as in
// bytes{direction=initiator_to_target,protocol=TCP}.
func Name(metric string, values map[string]string, labels []string) string {
	var pairs []string
	for _, label := range slices.Sorted(slices.Values(labels)) {
		if value := values[label]; value != "" {
			pairs = append(pairs, label+"="+value)
		}
	}
	return metric[strings.LastIndex(metric, "_")+1:] + "{" + strings.Join(pairs, ",") + "}"
}

// DefaultLabels are those of a connection where the configuration names none.
func DefaultLabels() []string {
	return []string{"initiator_ip", "target_ip", "initiator_port", "target_port", "direction", "node_tid", "protocol"}
}

// value is that of one label.
func (v View) value(f analyzer.Flow, name string) string {
	var a, b string
	if f.Network != nil {
		a, b = f.Network.A, f.Network.B
	}
	switch name {
	case "initiator_ip":
		return a
	case "target_ip":
		return b
	case "initiator_port", "target_port":
		return v.port(f, name == "target_port")
	case "node_tid":
		return f.NodeTID
	case "capture_id":
		return f.CaptureID
	case "vlan":
		return idOf(f.Link)
	case "vni":
		return idOf(f.Network)
	case "protocol":
		return protocol(f)
	case "application":
		return f.Application
	case "initiator_network":
		return v.network(a)
	case "target_network":
		return v.network(b)
	case "flow_class":
		return v.class(a, b)
	}
	panic("reference: the label " + name + " is not modelled")
}

// idOf is the number of a layer, where it has one.
func idOf(l *analyzer.Layer) string {
	if l == nil || l.ID == 0 {
		return ""
	}
	return strconv.FormatInt(l.ID, 10)
}

// port is the value of a port's label: of a service, the target's where it is one,
// else the initiator's.
func (v View) port(f analyzer.Flow, target bool) string {
	if f.Transport == nil {
		return ""
	}
	number := f.Transport.A
	if target {
		number = f.Transport.B
	}
	text := strconv.FormatInt(number, 10)
	switch v.Ports {
	case "drop":
		return ""
	case "service":
		isService := func(port int64) bool {
			return v.Services[f.Transport.Protocol+"/"+strconv.FormatInt(port, 10)]
		}
		if !isService(number) || !target && isService(f.Transport.B) {
			return "ephemeral"
		}
	}
	return text
}

// network is the name of the smallest network that has the address.
func (v View) network(address string) (name string) {
	longest := -1
	for cidr, n := range v.Networks {
		if bits, ok := inside(cidr, address); ok && bits > longest {
			longest, name = bits, n
		}
	}
	return name
}

func (v View) class(a, b string) string {
	in := func(address string) bool {
		return slices.ContainsFunc(v.Cluster, func(cidr string) bool { _, ok := inside(cidr, address); return ok })
	}
	switch {
	case net.ParseIP(a) == nil || net.ParseIP(b) == nil:
		return "other"
	case in(a) && in(b):
		return "internal"
	case in(a):
		return "egress"
	case in(b):
		return "ingress"
	}
	return "other"
}

// inside says whether a network has an address, and how long its prefix is.
func inside(cidr, address string) (bits int, ok bool) {
	_, network, err := net.ParseCIDR(cidr)
	if err != nil {
		panic(err)
	}
	bits, _ = network.Mask.Size()
	ip := net.ParseIP(address)
	return bits, ip != nil && network.Contains(ip)
}
