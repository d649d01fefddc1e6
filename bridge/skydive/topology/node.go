// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	// maxAnswer bounds an answer in bytes: half a million nodes as they are asked
	// for, some 300 bytes each (measured), or a tenth of that whole.
	maxAnswer = 256 << 20
	// maxNodeBytes bounds one node of it, which is held in memory whole: the ones
	// recorded have 3 kB, of which most is their features.
	maxNodeBytes = 4 << 20
	// maxNodeText bounds the length in bytes of a name in memory: a pod's can have 317
	// with its namespace. What is too long for a label is the aggregator's to cut and
	// to count. maxAddresses bounds all of an interface's addresses in a label:
	// receivers refuse values beyond 2,048 bytes (docs/how-to/receivers.md).
	maxNodeText  = 384
	maxAddresses = 1024
	// maxHeld bounds the addresses that are kept of a node, of each kind: more than
	// have room in a label. An interface of kube-proxy has one for each service.
	// maxAddress is the length in bytes of the longest there is, an IPv4 address
	// written in IPv6 with a zone and a prefix length, with some to spare.
	maxHeld      = 256 // of captures, too
	maxCaptureID = 256 // bytes, as in statistics
	maxAddress   = 80
)

var (
	errAnswerTooLarge = fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)
	errNodeTooLarge   = fmt.Errorf("a node in the answer is larger than %d MiB", maxNodeBytes>>20)
	errNoArray        = errors.New("the answer is no JSON array")
)

// node is what the bridge needs of a node of Skydive's topology.
type node struct {
	id, host, tid, name, kind string
	parent                    string // ID of the node that it is a part of, where that has containers
	created, revision         int64

	ether      bool // a network interface as the old connector took it
	ipv4, ipv6 []string
	cut        int // addresses that are not kept
	metric     interfaceValues

	captures []capture // each once

	// What names the holder of an address; see holders.go.
	domain, vm  string   // libvirt's domain, Neutron's VM
	ports       []string // addresses of a Neutron port
	namespace   string
	podIP       string
	nodeIP      string // of the machine that a pod runs on
	containerIP string
}

// capture is a capture on a node.
type capture struct {
	id string
	packets
}

// rawNode is a node in JSON, in either of two forms: as the topology has it, with
// Metadata, or as a map of the values asked for.
type rawNode struct {
	rawMetadata
	ID, Host            string
	CreatedAt, Revision int64
	Metadata            *rawMetadata

	FlatID        string   `json:"@ID"`
	FlatHost      string   `json:"@Host"`
	FlatCreatedAt int64    `json:"@CreatedAt"`
	FlatRevision  int64    `json:"@Revision"`
	Domain        string   `json:"Libvirt.Domain"`
	VM            string   `json:"ExtID.vm-uuid"`
	PortIPV4      []string `json:"Neutron.IPV4"`
	PortIPV6      []string `json:"Neutron.IPV6"`
	Namespace     string   `json:"K8s.Namespace"`
	PodIP         string   `json:"K8s.IP"`
	NodeIP        string   `json:"K8s.Extra.Status.HostIP"`
	ContainerIP   string   `json:"Container.Hosts.IP"`
}

type rawMetadata struct {
	TID, Name, Type, EncapType string
	IPV4, IPV6                 []string
	Metric                     struct {
		RxBytes, TxBytes, RxPackets, TxPackets, RxDropped, TxDropped int64
		RxErrors, TxErrors, RxMissedErrors, TxMissedErrors           int64
		Collisions                                                   int64
	}
	Captures []struct {
		ID                              string
		PacketsReceived, PacketsDropped int64
	}
	Libvirt struct{ Domain string }
	ExtID   struct {
		VM string `json:"vm-uuid"`
	}
	Neutron struct{ IPV4, IPV6 []string }
	K8s     struct {
		Namespace, IP string
		Extra         struct{ Status struct{ HostIP string } }
	}
	Container struct{ Hosts struct{ IP string } }
}

// node returns what the JSON means; false where it cannot be a node.
func (r *rawNode) node() (*node, bool) {
	m := &r.rawMetadata
	if r.Metadata != nil {
		m = r.Metadata
	}
	n := &node{
		id: cmp.Or(r.FlatID, r.ID), host: fit(cmp.Or(r.FlatHost, r.Host)),
		created: cmp.Or(r.FlatCreatedAt, r.CreatedAt), revision: cmp.Or(r.FlatRevision, r.Revision),
		domain: fit(cmp.Or(r.Domain, m.Libvirt.Domain)), vm: fit(cmp.Or(r.VM, m.ExtID.VM)),
		ports:     slices.Concat(r.PortIPV4, r.PortIPV6, m.Neutron.IPV4, m.Neutron.IPV6),
		namespace: fit(cmp.Or(r.Namespace, m.K8s.Namespace)), podIP: fit(cmp.Or(r.PodIP, m.K8s.IP)),
		nodeIP: fit(cmp.Or(r.NodeIP, m.K8s.Extra.Status.HostIP)), containerIP: fit(cmp.Or(r.ContainerIP, m.Container.Hosts.IP)),
	}
	n.tid, n.name, n.kind = fit(m.TID), fit(m.Name), fit(m.Type)
	n.ether = m.EncapType == "ether" && n.tid != ""
	n.ipv4, n.ipv6 = m.IPV4, m.IPV6
	for _, list := range []*[]string{&n.ipv4, &n.ipv6, &n.ports} {
		kept, cut := someAddresses(*list)
		*list = kept
		n.cut += cut
	}
	for _, c := range m.Captures[:min(len(m.Captures), maxHeld)] {
		if c.ID == "" || len(c.ID) > maxCaptureID || c.PacketsReceived < 0 || c.PacketsDropped < 0 || n.tid == "" {
			continue
		}
		n.addCapture(capture{c.ID, packets{uint64(c.PacketsReceived), uint64(c.PacketsDropped)}})
	}
	k := &m.Metric
	for i, v := range [...]int64{
		k.RxBytes, k.TxBytes, k.RxPackets, k.TxPackets, k.RxDropped, k.TxDropped,
		k.RxErrors, k.TxErrors, k.RxMissedErrors, k.TxMissedErrors, k.Collisions,
	} {
		if v < 0 {
			return n, false
		}
		n.metric[i] = uint64(v)
	}
	return n, n.id != "" && len(n.id) <= maxNodeText
}

// addCapture adds the packets of a capture on the node.
func (n *node) addCapture(c capture) {
	for i := range n.captures {
		if was := &n.captures[i]; was.id == c.id {
			was.received += c.received
			was.dropped += c.dropped
			return
		}
	}
	n.captures = append(n.captures, c)
}

// fit cuts what is longer than any name that Skydive gives.
func fit(s string) string {
	if len(s) <= maxNodeText {
		return s
	}
	return strings.Clone(strings.ToValidUTF8(s[:maxNodeText], "")) // s may go
}

// someAddresses returns as many addresses as are kept of a node, without what is
// none, and how many are cut. The same ones stay, in whatever order they come.
func someAddresses(list []string) (kept []string, cut int) {
	given := len(list)
	list = slices.DeleteFunc(list, func(a string) bool {
		if len(a) > maxAddress {
			cut++
		}
		return a == "" || len(a) > maxAddress
	})
	if len(list) > maxHeld {
		slices.Sort(list)
		list = slices.Compact(list)
		cut += max(len(list)-maxHeld, 0)
		list = list[:min(len(list), maxHeld)]
	}
	if len(list) < given {
		list = append([]string(nil), list...) // what was cut may go
	}
	return list, cut
}

// addresses is how many the node has.
func (n *node) addresses() int { return len(n.ipv4) + len(n.ipv6) + len(n.ports) }

// rawEdge is a link between nodes in JSON.
type rawEdge struct{ Parent, Child string }

// decodeArray calls each with the elements of an answer, one after the other, and
// returns how many were of a wrong type. Where it returns an error, the answer is
// not to be trusted at all.
func decodeArray[T any](r io.Reader, each func(*T)) (malformed int, err error) {
	return decodeWithin(&answerGuard{r: r, most: maxAnswer, mostNode: maxNodeBytes}, each)
}

// decodeWithin is decodeArray with bounds of its own.
func decodeWithin[T any](guard *answerGuard, each func(*T)) (malformed int, err error) {
	d := json.NewDecoder(guard)
	guard.d = d
	first, err := d.Token()
	switch {
	case err != nil:
		return 0, err
	case first == nil: // null is how Skydive writes an empty list of maps
		return 0, atEnd(d)
	case first != json.Delim('['):
		return 0, errNoArray
	}
	for d.More() {
		var v T
		err := d.Decode(&v)
		var wrong *json.UnmarshalTypeError
		switch {
		case errors.As(err, &wrong):
			malformed++
		case err != nil:
			return malformed, err
		default:
			each(&v)
		}
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return malformed, err
	}
	return malformed, atEnd(d)
}

func atEnd(d *json.Decoder) error {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errNoArray
	}
	return nil
}

// answerGuard reads an answer as far as it stays within the bounds.
type answerGuard struct {
	r              io.Reader
	d              *json.Decoder
	most, mostNode int64 // bytes
	read           int64
}

// Read implements [io.Reader].
func (g *answerGuard) Read(p []byte) (int, error) {
	if g.read >= g.most {
		return 0, errAnswerTooLarge
	}
	if g.read-g.d.InputOffset() > g.mostNode {
		return 0, errNodeTooLarge
	}
	n, err := g.r.Read(p[:min(len(p), 64<<10)])
	g.read += int64(n)
	return n, err
}
