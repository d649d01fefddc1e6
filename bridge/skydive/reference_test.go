// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/skydive-project/skybridge/aggregator"
)

// The reference reads a message the slow way: encoding/json's tokens are put
// into a tree, and the rules of [Decoder] are applied to the tree. It shares no
// code with the decoder.

// members are an object's, the last of equal keys.
type members map[string]any

// elements are those of an array that could be read before the JSON broke.
type elements struct {
	items []any
	whole bool
}

var errDeep = errors.New("nested too deep")

type treeReader struct {
	raw []byte
	dec *json.Decoder
}

// value reads a value that is inside of depth arrays and objects. With an error
// it returns what a message keeps of a broken value: an array's whole elements,
// an object's whole members and its broken Obj.
func (r *treeReader) value(depth int) (any, error) {
	token, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth == 10000 {
		return nil, errDeep
	}
	if delim == '[' {
		list := &elements{}
		for r.dec.More() {
			v, err := r.value(depth + 1)
			if err != nil {
				return list, err
			}
			list.items = append(list.items, v)
		}
		if _, err := r.dec.Token(); err != nil {
			return list, err
		}
		list.whole = true
		return list, nil
	}
	object := members{}
	for r.dec.More() {
		token, err := r.dec.Token()
		if err != nil {
			return object, err
		}
		key, ok := token.(string)
		if !ok {
			return object, errors.New("key is no string")
		}
		isObj := depth == 0 && key == "Obj" && r.colonFollows()
		if isObj {
			object[key] = nil // the last one counts from where it begins
		}
		v, err := r.value(depth + 1)
		if isObj {
			object[key] = v
		}
		if err != nil {
			return object, err
		}
		object[key] = v
	}
	_, err = r.dec.Token()
	return object, err
}

func (r *treeReader) colonFollows() bool {
	rest := bytes.TrimLeft(r.raw[r.dec.InputOffset():], " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

type reference struct {
	kind      Kind
	flows     []plainFlow
	malformed int
	stats     plainStats
	failed    bool
}

type plainFlow struct {
	VLAN, VNI                                    int64
	UUID, NodeTID, CaptureID, NetworkA, NetworkB string
	HasTransport                                 bool
	TransportProtocol                            string
	TransportA, TransportB, Start, FinishType    int64
	Metric, LastUpdate                           aggregator.Metric
	HasLastUpdate                                bool
	Application, ParentUUID                      string
	Outer                                        bool
	Opened                                       aggregator.Opened
}

type plainStats struct {
	CaptureID                                                                  string
	FlowCount, FlowDropped, KernelFlowDropped, PacketsDropped, PacketsReceived int64
}

func referenceDecode(msg []byte) reference {
	r := &treeReader{raw: msg, dec: json.NewDecoder(bytes.NewReader(msg))}
	r.dec.UseNumber()
	tree, err := r.value(0)
	if err == nil {
		if _, extra := r.dec.Token(); extra != io.EOF {
			err = errors.New("something follows")
		}
	}
	e, ok := tree.(members)
	if !ok {
		return reference{failed: true}
	}
	namespace, okNamespace := text(e, "Namespace")
	kind, okKind := text(e, "Type")
	out := reference{failed: err != nil || !okNamespace || !okKind}
	switch {
	case !okNamespace || !okKind:
	case kind == "store" && (namespace == "flow" || strings.HasPrefix(namespace, "flow/")):
		out.kind = Flows
		switch obj := e["Obj"].(type) {
		case nil:
		case *elements:
			for _, item := range obj.items {
				if f, ok := flowOf(item); ok && len(out.flows) < 4096 {
					out.flows = append(out.flows, f)
				} else {
					out.malformed++
				}
			}
		default:
			out.failed = true
		}
	case kind == "stats" && namespace == "stats":
		s, ok := statsOf(e["Obj"])
		if err != nil || !ok {
			out.failed = true
			break
		}
		out.kind, out.stats = Stats, s
	}
	return out
}

func text(m members, key string) (string, bool) {
	switch v := m[key].(type) {
	case nil:
		return "", true
	case string:
		return v, true
	}
	return "", false
}

func whole(m members, key string) (int64, bool) {
	switch v := m[key].(type) {
	case nil:
		return 0, true
	case json.Number:
		return wholeNumber(string(v))
	}
	return 0, false
}

// wholeNumber is the number's exact value by big arithmetic, after exponents
// that would need too much memory have been decided.
func wholeNumber(s string) (int64, bool) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	if strings.Trim(mantissa, "-0.") == "" {
		return 0, true
	}
	if exponent != "" {
		e, err := strconv.ParseInt(exponent, 10, 64)
		if err != nil || e > int64(len(s))+20 || e < -int64(len(s))-20 {
			return 0, false
		}
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}

// object is a member that should be an object: nil when absent.
func object(m members, key string) (members, bool) {
	switch v := m[key].(type) {
	case nil:
		return nil, true
	case members:
		return v, true
	}
	return nil, false
}

// all is whether every one of the checks, given as value and success, went well.
type checks struct{ failed bool }

func (c *checks) text(m members, key string) string {
	v, ok := text(m, key)
	c.failed = c.failed || !ok
	return v
}

func (c *checks) whole(m members, key string) int64 {
	v, ok := whole(m, key)
	c.failed = c.failed || !ok
	return v
}

func (c *checks) object(m members, key string) members {
	v, ok := object(m, key)
	c.failed = c.failed || !ok
	return v
}

func (c *checks) metric(m members) aggregator.Metric {
	return aggregator.Metric{
		ABBytes: c.whole(m, "ABBytes"), ABPackets: c.whole(m, "ABPackets"),
		BABytes: c.whole(m, "BABytes"), BAPackets: c.whole(m, "BAPackets"),
		Start: c.whole(m, "Start"), Last: c.whole(m, "Last"), RTT: c.whole(m, "RTT"),
	}
}

func flowOf(v any) (plainFlow, bool) {
	m, ok := v.(members)
	if !ok {
		return plainFlow{}, false
	}
	var c checks
	network, transport := c.object(m, "Network"), c.object(m, "Transport")
	metric, last := c.object(m, "Metric"), c.object(m, "LastUpdateMetric")
	f := plainFlow{
		UUID: c.text(m, "UUID"), NodeTID: c.text(m, "NodeTID"), CaptureID: c.text(m, "CaptureID"),
		NetworkA: c.text(network, "A"), NetworkB: c.text(network, "B"),
		HasTransport: transport != nil, TransportProtocol: c.text(transport, "Protocol"),
		TransportA: c.whole(transport, "A"), TransportB: c.whole(transport, "B"),
		Start: c.whole(m, "Start"), FinishType: c.whole(m, "FinishType"),
		Metric: c.metric(metric), LastUpdate: c.metric(last), HasLastUpdate: last != nil,
	}
	f.Application, _ = text(m, "Application")
	f.VLAN, f.VNI = layerIDOf(m, "Link"), layerIDOf(m, "Network")
	f.ParentUUID, _ = text(m, "ParentUUID")
	path, _ := text(m, "LayersPath")
	layers := strings.Split(path, "/")
	f.Outer = slices.Contains([]string{"VXLAN", "GRE", "MPLS", "Geneve", "GENEVE"}, layers[len(layers)-1])
	syn, _ := object(m, "TCPMetric")
	ab, okAB := whole(syn, "ABSynStart")
	ba, okBA := whole(syn, "BASynStart")
	if okAB && okBA && ab > 0 && ba > 0 {
		switch {
		case ab < ba || ab == ba && f.Start == ab:
			f.Opened = aggregator.OpenedByA
		case ba < ab:
			f.Opened = aggregator.OpenedByB
		}
	}
	sound := !c.failed && f.UUID != "" && metric != nil &&
		f.Metric.ABBytes >= 0 && f.Metric.ABPackets >= 0 && f.Metric.BABytes >= 0 && f.Metric.BAPackets >= 0
	return f, sound
}

func layerIDOf(m members, layer string) int64 {
	l, _ := object(m, layer)
	if id, ok := whole(l, "ID"); ok && id > 0 {
		return id
	}
	return 0
}

func statsOf(v any) (plainStats, bool) {
	m, ok := v.(members)
	if !ok {
		return plainStats{}, false
	}
	var c checks
	s := plainStats{
		CaptureID: c.text(m, "CaptureID"),
		FlowCount: c.whole(m, "FlowCount"), FlowDropped: c.whole(m, "FlowDropped"),
		KernelFlowDropped: c.whole(m, "KernelFlowDropped"),
		PacketsDropped:    c.whole(m, "PacketsDropped"), PacketsReceived: c.whole(m, "PacketsReceived"),
	}
	return s, !c.failed && s.CaptureID != "" && len(s.CaptureID) <= 256 && s.FlowCount >= 0 && s.FlowDropped >= 0 &&
		s.KernelFlowDropped >= 0 && s.PacketsDropped >= 0 && s.PacketsReceived >= 0
}

// plain copies what a message holds into values that can be compared and kept.
func plain(f *aggregator.Flow) plainFlow {
	return plainFlow{
		UUID: string(f.UUID), NodeTID: string(f.NodeTID), CaptureID: string(f.CaptureID),
		NetworkA: string(f.NetworkA), NetworkB: string(f.NetworkB),
		HasTransport: f.HasTransport, TransportProtocol: string(f.TransportProtocol),
		TransportA: f.TransportA, TransportB: f.TransportB, Start: f.Start, FinishType: f.FinishType,
		Metric: f.Metric, LastUpdate: f.LastUpdate, HasLastUpdate: f.HasLastUpdate,
		Application: string(f.Application), ParentUUID: string(f.ParentUUID), Outer: f.Outer, Opened: f.Opened,
		VLAN: f.VLAN, VNI: f.VNI,
	}
}

func outcome(m *Message, err error) reference {
	out := reference{kind: m.Kind, malformed: m.Malformed, failed: err != nil}
	for i := range m.Flows {
		out.flows = append(out.flows, plain(&m.Flows[i]))
	}
	s := &m.Stats
	if m.Kind == Stats {
		out.stats = plainStats{
			CaptureID: string(s.CaptureID), FlowCount: s.FlowCount, FlowDropped: s.FlowDropped,
			KernelFlowDropped: s.KernelFlowDropped, PacketsDropped: s.PacketsDropped, PacketsReceived: s.PacketsReceived,
		}
	}
	return out
}
