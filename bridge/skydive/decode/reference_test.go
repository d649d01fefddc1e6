// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skydive-project/skybridge/input"
)

// The reference reads a message the slow way: encoding/json's tokens are put
// into a tree, and the rules of [Decode] are applied to the tree. It shares no
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
	flows     []input.Flow
	malformed int
	stats     input.CaptureStats
	failed    bool
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

func (c *checks) metric(m members) input.Metric {
	return input.Metric{
		ABBytes: c.whole(m, "ABBytes"), ABPackets: c.whole(m, "ABPackets"),
		BABytes: c.whole(m, "BABytes"), BAPackets: c.whole(m, "BAPackets"),
		Start: c.whole(m, "Start"), Last: c.whole(m, "Last"), RTT: c.whole(m, "RTT"),
	}
}

func flowOf(v any) (input.Flow, bool) {
	m, ok := v.(members)
	if !ok {
		return input.Flow{}, false
	}
	var c checks
	network, transport := c.object(m, "Network"), c.object(m, "Transport")
	metric, last := c.object(m, "Metric"), c.object(m, "LastUpdateMetric")
	f := input.Flow{
		UUID: []byte(c.text(m, "UUID")), NodeTID: []byte(c.text(m, "NodeTID")), CaptureID: []byte(c.text(m, "CaptureID")),
		NetworkA: []byte(c.text(network, "A")), NetworkB: []byte(c.text(network, "B")),
		HasTransport: transport != nil, TransportProtocol: []byte(c.text(transport, "Protocol")),
		TransportA: c.whole(transport, "A"), TransportB: c.whole(transport, "B"),
		Start: c.whole(m, "Start"), FinishType: c.whole(m, "FinishType"),
		Metric: c.metric(metric), LastUpdate: c.metric(last), HasLastUpdate: last != nil,
	}
	f.VLAN, f.VNI = layerIDOf(m, "Link"), layerIDOf(m, "Network")
	application, _ := text(m, "Application")
	parent, _ := text(m, "ParentUUID")
	f.Application, f.ParentUUID = []byte(application), []byte(parent)
	path, _ := text(m, "LayersPath")
	layers := strings.Split(path, "/")
	f.Outer = slices.Contains([]string{"VXLAN", "GRE", "MPLS", "Geneve", "GENEVE"}, layers[len(layers)-1])
	syn, _ := object(m, "TCPMetric")
	ab, okAB := whole(syn, "ABSynStart")
	ba, okBA := whole(syn, "BASynStart")
	if okAB && okBA && ab > 0 && ba > 0 {
		switch {
		case ab < ba || ab == ba && f.Start == ab:
			f.Opened = input.OpenedByA
		case ba < ab:
			f.Opened = input.OpenedByB
		}
	}
	sound := !c.failed && len(f.UUID) > 0 && metric != nil &&
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

func statsOf(v any) (input.CaptureStats, bool) {
	m, ok := v.(members)
	if !ok {
		return input.CaptureStats{}, false
	}
	var c checks
	s := input.CaptureStats{
		CaptureID: []byte(c.text(m, "CaptureID")),
		FlowCount: c.whole(m, "FlowCount"), FlowDropped: c.whole(m, "FlowDropped"),
		KernelFlowDropped: c.whole(m, "KernelFlowDropped"),
		PacketsDropped:    c.whole(m, "PacketsDropped"), PacketsReceived: c.whole(m, "PacketsReceived"),
	}
	return s, !c.failed && len(s.CaptureID) > 0 && len(s.CaptureID) <= 256 && s.FlowCount >= 0 && s.FlowDropped >= 0 &&
		s.KernelFlowDropped >= 0 && s.PacketsDropped >= 0 && s.PacketsReceived >= 0
}

// outcome is what the decoder made of a message, whose memory it aliases.
func outcome(m *Message, err error) reference {
	out := reference{kind: m.Kind, flows: m.Flows, malformed: m.Malformed, failed: err != nil}
	if m.Kind == Stats {
		out.stats = m.Stats
	}
	return out
}

// compare decodes a message, which must mean what it means to the reference.
func compare(t *testing.T, m *Message, msg []byte) reference {
	t.Helper()
	kept := bytes.Clone(msg)
	err := Decode(msg, m)
	got := outcome(m, err)
	if !bytes.Equal(kept, msg) {
		t.Fatal("the message was written to")
	}
	if (m.Malformed > 0) != (m.FirstError != nil) {
		t.Errorf("%d malformed, first error %v", m.Malformed, m.FirstError)
	}
	if diff := cmp.Diff(referenceDecode(msg), got, cmp.AllowUnexported(reference{}), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("reference and decoder (error %v) differ for %.500q\n%s", err, msg, diff)
	}
	return got
}
