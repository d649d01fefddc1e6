// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// The labels that a connection can have, by name.
const (
	labelApplication      = "application"
	labelCaptureID        = "capture_id"
	labelDirection        = "direction"
	labelFlowClass        = "flow_class"
	labelHost             = "host"
	labelInitiatorIP      = "initiator_ip"
	labelInitiatorName    = "initiator_name"
	labelInitiatorNetwork = "initiator_network"
	labelInitiatorPort    = "initiator_port"
	labelNodeName         = "node_name"
	labelNodeTID          = "node_tid"
	labelNodeType         = "node_type"
	labelProtocol         = "protocol"
	labelTargetIP         = "target_ip"
	labelTargetName       = "target_name"
	labelTargetNetwork    = "target_network"
	labelTargetPort       = "target_port"
	labelVLAN             = "vlan"
	labelVNI              = "vni"
)

// DefaultLabels returns the labels of a connection where the operator chose
// none: those of the connector that skybridge replaces.
func DefaultLabels() []string {
	return []string{
		labelInitiatorIP, labelTargetIP, labelInitiatorPort, labelTargetPort,
		labelDirection, labelNodeTID, labelProtocol,
	}
}

// AllLabels returns the labels that a connection can have, the default ones first.
func AllLabels() []string {
	return append(DefaultLabels(),
		labelApplication, labelCaptureID, labelInitiatorNetwork, labelTargetNetwork, labelFlowClass,
		labelNodeName, labelHost, labelNodeType, labelInitiatorName, labelTargetName, labelVLAN, labelVNI)
}

// labels makes the label values of flows: a layout with all that its values are
// made by. What is known when a record comes decides. Where more is known later, a
// name say, what comes then goes to another series and the former one idles out.
type labels struct {
	fields     []field // of the layout's names without direction
	networks   networks[string]
	classifier classifier
	names      Names     // nil: none
	services   *services // nil: every port is told
	// What a layout needs, so that others need not pay.
	needAddresses, needNode bool

	changed prometheus.Counter // values that did not fit as they were
}

// field is what a label's value is made of.
type field uint8

const (
	fieldInitiatorIP field = iota
	fieldTargetIP
	fieldInitiatorPort
	fieldTargetPort
	fieldNodeTID
	fieldProtocol
	fieldApplication
	fieldCaptureID
	fieldInitiatorNetwork
	fieldTargetNetwork
	fieldFlowClass
	fieldNodeName
	fieldHost
	fieldNodeType
	fieldInitiatorName
	fieldTargetName
	fieldVLAN
	fieldVNI
)

// fieldOf returns the field of a label other than direction.
func fieldOf(name string) field {
	return map[string]field{
		labelInitiatorIP:      fieldInitiatorIP,
		labelTargetIP:         fieldTargetIP,
		labelInitiatorPort:    fieldInitiatorPort,
		labelTargetPort:       fieldTargetPort,
		labelNodeTID:          fieldNodeTID,
		labelProtocol:         fieldProtocol,
		labelApplication:      fieldApplication,
		labelCaptureID:        fieldCaptureID,
		labelInitiatorNetwork: fieldInitiatorNetwork,
		labelTargetNetwork:    fieldTargetNetwork,
		labelFlowClass:        fieldFlowClass,
		labelNodeName:         fieldNodeName,
		labelHost:             fieldHost,
		labelNodeType:         fieldNodeType,
		labelInitiatorName:    fieldInitiatorName,
		labelTargetName:       fieldTargetName,
		labelVLAN:             fieldVLAN,
		labelVNI:              fieldVNI,
	}[name]
}

func newLabels(layout *Layout, cfg Config, known *listeners, changed prometheus.Counter) *labels {
	l := &labels{names: cfg.Names, classifier: newClassifier(cfg.ClusterNetworks), changed: changed}
	ports := false
	for i, name := range layout.Names {
		if i == layout.Direction {
			continue
		}
		f := fieldOf(name)
		l.fields = append(l.fields, f)
		switch f {
		case fieldInitiatorPort, fieldTargetPort:
			ports = true
		case fieldInitiatorNetwork, fieldTargetNetwork, fieldFlowClass:
			l.needAddresses = true
		case fieldNodeName, fieldHost, fieldNodeType:
			l.needNode = cfg.Names != nil
		}
	}
	for _, n := range cfg.Networks {
		l.networks.add(n.Prefix, n.Name)
	}
	if ports && cfg.Ports == ServicePorts {
		l.services = newServices(cfg.ServicePorts, known)
	}
	return l
}

// appendValues appends the label values of a flow's connection to dst, in the
// form of [Row.Values]. They are the connection's identity as well as its text.
func (l *labels) appendValues(dst []byte, f *Flow) []byte {
	var d derived
	if l.services != nil || l.needAddresses || l.needNode {
		l.derive(&d, f)
	}
	for _, what := range l.fields {
		switch what {
		case fieldInitiatorIP:
			dst = appendTo(l, dst, f.NetworkA)
		case fieldTargetIP:
			dst = appendTo(l, dst, f.NetworkB)
		case fieldInitiatorPort:
			if f.HasTransport {
				dst = l.port(dst, f.TransportA, d.server == endA)
			}
		case fieldTargetPort:
			if f.HasTransport {
				dst = l.port(dst, f.TransportB, d.server == endB)
			}
		case fieldNodeTID:
			dst = appendTo(l, dst, f.NodeTID)
		case fieldProtocol:
			dst = appendTo(l, dst, f.TransportProtocol)
		case fieldApplication:
			dst = appendTo(l, dst, f.Application)
		case fieldVLAN:
			dst = appendID(dst, f.VLAN)
		case fieldVNI:
			dst = appendID(dst, f.VNI)
		case fieldCaptureID:
			dst = appendTo(l, dst, f.CaptureID)
		default:
			dst = appendTo(l, dst, l.lookup(what, f, &d))
		}
		dst = append(dst, Separator)
	}
	return dst
}

// derived is what a record's fields lead to; only what a layout needs is there.
type derived struct {
	server             end
	networkA, networkB string
	class              Class
	node               NodeNames
}

func (l *labels) derive(d *derived, f *Flow) {
	if l.services != nil && f.HasTransport {
		d.server = l.services.server(f)
	}
	if l.needAddresses {
		a, b := address(f.NetworkA), address(f.NetworkB)
		d.networkA, _ = l.networks.find(a)
		d.networkB, _ = l.networks.find(b)
		d.class = l.classifier.class(a, b)
	}
	if l.needNode {
		d.node = l.names.Node(f.NodeTID)
	}
}

// heed takes from a record that counts nothing what it says of other ones: who
// answers.
func (l *labels) heed(f *Flow) {
	if l.services != nil && f.Opened != OpenedUnknown {
		l.services.server(f)
	}
}

// lookup returns the value of a label that no field of the record has.
func (l *labels) lookup(what field, f *Flow, d *derived) string {
	switch what {
	case fieldInitiatorNetwork:
		return d.networkA
	case fieldTargetNetwork:
		return d.networkB
	case fieldFlowClass:
		return string(d.class)
	case fieldNodeName:
		return d.node.Name
	case fieldHost:
		return d.node.Host
	case fieldNodeType:
		return d.node.Type
	}
	if l.names == nil {
		return ""
	}
	if what == fieldInitiatorName {
		return l.names.Address(f.NetworkA)
	}
	return l.names.Address(f.NetworkB)
}

// appendTo appends a value that fits, and counts where it had to be changed.
func appendTo[T []byte | string](l *labels, dst []byte, s T) []byte {
	dst, changed := appendValue(dst, s)
	if changed {
		l.changed.Inc()
	}
	return dst
}

// appendID appends the number of a VLAN or VNI, 0: no value.
func appendID(dst []byte, id int64) []byte {
	if id == 0 {
		return dst
	}
	return strconv.AppendInt(dst, id, 10)
}

func (l *labels) port(dst []byte, port int64, server bool) []byte {
	if l.services != nil && !server {
		return append(dst, ephemeralPort...)
	}
	return strconv.AppendInt(dst, port, 10)
}
