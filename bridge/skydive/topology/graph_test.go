// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// graphOf is an empty graph and the answer of one analyzer.
func graphOf(limit int, nodes ...node) (*graph, *answer) {
	g, a := &graph{limit: limit, nodes: map[string]*heldNode{}}, &answer{by: 1, nodes: map[string]*node{}}
	for _, n := range nodes {
		g.accept(a, &n)
	}
	return g, a
}

// round has analyzers answer; nil is one that does not.
func (g *graph) round(answers ...*answer) {
	var came []*answer
	for i, a := range answers {
		if a != nil {
			a.by = 1 << i
			came = append(came, a)
		}
	}
	g.take(came)
}

// TestRecordedHolders reads what a real analyzer answers to the three questions:
// the container in the namespace, the pod, and the interfaces.
func TestRecordedHolders(t *testing.T) {
	g, a := graphOf(100)
	for _, file := range []string{"topology-nodes.json", "topology-holders.json"} {
		text, err := os.ReadFile("../testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		malformed, err := decodeArray(bytes.NewReader(text), func(r *rawNode) {
			n, ok := r.node()
			if !ok {
				t.Errorf("no node: %+v", r)
			}
			g.accept(a, n)
		})
		if malformed != 0 || err != nil {
			t.Fatal(malformed, err)
		}
	}
	text, err := os.ReadFile("../testdata/topology-edges.json")
	if err != nil {
		t.Fatal(err)
	}
	if malformed, err := decodeArray(bytes.NewReader(text), func(e *rawEdge) {
		if n := a.nodes[e.Child]; n != nil {
			n.parent = e.Parent
		}
	}); malformed != 0 || err != nil {
		t.Fatal(malformed, err)
	}
	g.take([]*answer{a})
	want := map[string]string{
		"10.77.0.1": "vm/sky0", "fd77::1": "vm/sky0",
		"10.77.0.2": "c1", "fd77::2": "c1", // in the namespace of the container
		"10.77.0.9": "default/p1",
		"192.0.2.2": "vm/eth0", "fd00::2": "vm/eth0",
	}
	if diff := cmp.Diff(want, g.holders().names()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPacketsOfSeveralAnalyzers proves that packets do not fall or leave for an answer
// that has them from long before, whichever comes first and whose node is the latest,
// nor where the one that knows more is out of reach; and that they fall with the capture.
// What the node is a part of is what any of them says.
func TestPacketsOfSeveralAnalyzers(t *testing.T) {
	reported := func(revision int64, received ...uint64) *answer {
		n := node{id: "n", tid: "t", revision: revision}
		for i, p := range received {
			n.captures = append(n.captures, capture{string(rune('a' + i)), packets{p, p / 10}})
		}
		if len(received) == 2 {
			n.parent = "ns"
		}
		return &answer{nodes: map[string]*node{"n": &n}}
	}
	g, _ := graphOf(100)
	for i, round := range []struct {
		answers []*answer // nil: out of reach
		want    []uint64
	}{
		{[]*answer{reported(5, 0), reported(5, 100, 40)}, []uint64{100, 40}},
		{[]*answer{reported(6, 0), reported(6, 120, 50)}, []uint64{120, 50}},
		{[]*answer{reported(8, 0), reported(7, 130, 60)}, []uint64{130, 60}},
		{[]*answer{reported(9, 0), nil}, []uint64{130, 60}},
		{[]*answer{reported(10, 0), reported(10, 150, 5)}, []uint64{150, 5}},
		{[]*answer{reported(11, 0), reported(11, 160)}, []uint64{160}},
	} {
		g.round(round.answers...)
		var got []uint64
		all := captures(g.nodes)
		for _, key := range []captureKey{{"a", "t"}, {"b", "t"}} {
			p, ok := all[key]
			if ok {
				got = append(got, p.received)
			}
			if p.dropped != p.received/10 {
				t.Errorf("round %d: %+v", i, p)
			}
		}
		if !slices.Equal(got, round.want) {
			t.Errorf("round %d: %v packets, want %v", i, got, round.want)
		}
		if got, want := g.nodes["n"].node.parent, map[int]string{2: "ns"}[len(round.want)]; got != want {
			t.Errorf("round %d: part of %q, want %q", i, got, want)
		}
	}
}

// TestHolders is the order in which holders name an address.
func TestHolders(t *testing.T) {
	iface := node{id: "i", tid: "t", host: "h", name: "eth0", ipv4: []string{"10.0.0.1/24"}}
	other := node{id: "o", tid: "u", host: "g", name: "eth0", ipv4: []string{"10.0.0.1/24"}}
	tap := node{id: "v", tid: "v", host: "h", name: "tap1", domain: "instance-1", vm: "uuid", ports: []string{"10.0.0.1/24"}}
	uuid := node{id: "v", tid: "v", host: "h", name: "tap1", vm: "uuid", ports: []string{"10.0.0.1"}}
	box := node{id: "c", kind: "container", name: "web", containerIP: "10.0.0.1"}
	pod := node{id: "p", kind: "pod", name: "web-1", namespace: "shop", podIP: "10.0.0.1", nodeIP: "192.0.2.1"}
	onHost := node{id: "p", kind: "pod", name: "proxy", namespace: "kube-system", podIP: "10.0.0.1", nodeIP: "10.0.0.1"}
	v6 := node{id: "6", tid: "6", host: "h", name: "eth6", ipv6: []string{"::ffff:10.0.0.1/120", "::1/128", "fe80::1/64", "nonsense"}}
	for _, c := range []struct {
		name  string
		nodes []node
		want  string
	}{
		{"interface", []node{iface}, "h/eth0"},
		{"two interfaces", []node{iface, other}, ""},
		{"written in IPv6", []node{v6}, "h/eth6"},
		{"container", []node{iface, box}, "web"},
		{"container over many interfaces", []node{iface, other, box}, "web"},
		{"VM", []node{iface, tap}, "instance-1"},
		{"VM without a domain", []node{uuid}, "uuid"},
		{"pod", []node{iface, box, pod}, "shop/web-1"},
		{"pod on its machine's network", []node{iface, onHost}, "h/eth0"},
		{"nothing", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 8 { // maps are walked in any order
				g, a := graphOf(100, c.nodes...)
				g.take([]*answer{a})
				names := g.holders().names()
				if names["10.0.0.1"] != c.want || len(names) > 1 {
					t.Fatalf("%v, want %q", names, c.want)
				}
			}
		})
	}
}

// TestRoundsProperty holds the graph after any rounds against its rule: a node is there
// if an analyzer that answers has it, or if none that reported it answers since.
func TestRoundsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, _ := graphOf(100)
		reported := map[string]map[int]bool{} // by node, the analyzers whose latest answer has it
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			answers := make([]*answer, 3)
			for i := range answers {
				if !rapid.Bool().Draw(t, "answers") {
					continue
				}
				_, answers[i] = graphOf(100)
				for _, id := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 4).Draw(t, "nodes") {
					answers[i].nodes[id] = &node{id: id}
				}
			}
			for _, id := range []string{"a", "b", "c", "d"} {
				there, retracted := false, false
				for i, a := range answers {
					if a != nil {
						there = there || a.nodes[id] != nil
						retracted = retracted || (reported[id][i] && a.nodes[id] == nil)
					}
				}
				if reported[id] == nil || retracted {
					reported[id] = map[int]bool{}
				}
				for i, a := range answers {
					if a != nil && a.nodes[id] != nil {
						reported[id][i] = true
					}
				}
				if len(reported[id]) == 0 {
					delete(reported, id)
				}
			}
			g.round(answers...)
			want := slices.Sorted(maps.Keys(reported))
			if got := slices.Sorted(maps.Keys(g.nodes)); !slices.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
		}
	})
}

// TestOlderRevisions: numbers do not fall because an analyzer lags behind, but one
// that began to count from the start is believed in the end.
func TestOlderRevisions(t *testing.T) {
	report := func(revision int64) []*answer {
		_, a := graphOf(100, node{id: "a", revision: revision})
		return []*answer{a}
	}
	g, _ := graphOf(100)
	for i, c := range []struct{ reported, want int64 }{{10, 10}, {9, 10}, {11, 11}, {1, 11}, {2, 11}, {3, 11}, {4, 4}, {5, 5}} {
		g.take(report(c.reported))
		if got := g.nodes["a"].node.revision; got != c.want {
			t.Errorf("%d: reported %d, took %d, want %d", i, c.reported, got, c.want)
		}
	}
}

// TestSameTID takes the node that was made last.
func TestSameTID(t *testing.T) {
	g, a := graphOf(100,
		node{id: "z", tid: "t", created: 1, ether: true, name: "old"},
		node{id: "b", tid: "t", created: 2, ether: true, name: "new"},
		node{id: "a", tid: "t", created: 2, ether: true, name: "other"})
	g.take([]*answer{a})
	rows, _, _ := interfaces(g.byTID(), 10)
	if _, ok := rows[interfaceLabels{tid: "t", name: "new"}]; !ok || len(rows) != 1 {
		t.Errorf("%v", rows)
	}
}

// TestTopologyBounds keeps the nodes that it has when there are too many.
func TestTopologyBounds(t *testing.T) {
	g, _ := graphOf(4)
	round := func(from, to int) (skipped int, names string) {
		_, a := graphOf(1000)
		for i := to - 1; i >= from; i-- { // those that are known come last
			id := fmt.Sprintf("n%d", i)
			g.accept(a, &node{id: id, tid: id, name: id, ether: true})
		}
		skipped = g.take([]*answer{a})
		rows, more, _ := interfaces(g.byTID(), 2)
		var list []string
		for r := range rows {
			list = append(list, r.name)
		}
		slices.Sort(list)
		return skipped + more, strings.Join(list, " ")
	}
	skipped, first := round(0, 4)
	if skipped != 2 {
		t.Errorf("%d skipped, want the two interfaces too many", skipped)
	}
	for range 8 {
		if skipped, again := round(0, 9); again != first || skipped != 7 {
			t.Fatalf("%q and %d skipped, want %q and 7", again, skipped, first)
		}
	}
}

// TestJoinAddresses cuts between addresses, not in one.
func TestJoinAddresses(t *testing.T) {
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf("10.0.%d.1/24", i))
	}
	for _, c := range []struct {
		list []string
		want string
		cut  int
	}{
		{nil, "", 0},
		{[]string{""}, "", 0},
		{[]string{"b", "a", "b"}, "a,b", 0},
		{[]string{strings.Repeat("x", 5000), "y"}, "y", 1},
	} {
		if got, cut := joinAddresses(c.list); got != c.want || cut != c.cut {
			t.Errorf("%q with %d left out, want %q and %d", got, cut, c.want, c.cut)
		}
	}
	if got, cut := joinAddresses(many); cut != len(many)-strings.Count(got, ",")-1 || len(got) > maxAddresses || len(got) < maxAddresses-20 || !strings.HasSuffix(got, ".1/24") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

// FuzzTopology decodes hostile answers: nothing panics, and what is taken for a
// node has an ID and sane numbers.
func FuzzTopology(f *testing.F) {
	for _, file := range []string{"topology-interfaces.json", "topology-nodes.json", "topology-holders.json", "topology-edges.json"} {
		text, err := os.ReadFile("../testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		``, `null`, `[]`, `[] []`, `[null]`, `{}`, `[{"ID":"a"}`, `[{"@ID":7}]`, `[{"ID":"g","Metadata":[]}]`, `[[[[[`, `[{"ID":"h","Metadata":{"K8s":"x"}}]`,
		`[{"ID":"a","ID":"b","Metadata":null}]`, `[{"@ID":"e","Metric":{"RxBytes":-1}}]`, `[{"@ID":"e","Metric":{"RxBytes":9223372036854775808}}]`, "[{\"@ID\":\"\xff\"}]",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		g, a := graphOf(10)
		_, err := decodeArray(bytes.NewReader(text), func(r *rawNode) {
			if n, ok := r.node(); ok {
				if n.id == "" || len(n.name) > maxNodeText {
					t.Errorf("%+v", n)
				}
				g.accept(a, n)
			}
		})
		if err == nil && !json.Valid(text) {
			t.Errorf("taken for JSON: %q", text)
		}
		g.take([]*answer{a})
		for _, name := range g.holders().names() {
			if name == "" {
				t.Error("a name is empty")
			}
		}
		rows, _, _ := interfaces(g.byTID(), 10)
		for r, values := range rows {
			for _, v := range values {
				if v > 1<<63 {
					t.Errorf("%v", r)
				}
			}
		}
		_, _ = decodeArray(bytes.NewReader(text), func(*rawEdge) {})
	})
}

// BenchmarkTopology reads an answer of 10,000 interfaces and makes of it what a
// round does.
func BenchmarkTopology(b *testing.B) {
	var text bytes.Buffer
	text.WriteByte('[')
	for i := range 10_000 {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"@CreatedAt":1795424441854,"@Host":"host-%d","@ID":"id-%d","@Revision":9,"EncapType":"ether","IPV4":["10.%d.%d.%d/24"],"IPV6":["fe80::70dd:72ff:fe33:e7af/64"],`+
			`"Metric":{"RxBytes":946,"RxPackets":11,"TxBytes":1016,"TxPackets":12,"Last":1795424711854},"Name":"veth%d","TID":"tid-%d","Type":"veth"}`, i%100, i, i>>16, i>>8&255, i&255, i, i)
	}
	text.WriteByte(']')
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		g, a := graphOf(1_000_000)
		if _, err := decodeArray(bytes.NewReader(text.Bytes()), func(r *rawNode) {
			n, _ := r.node()
			g.accept(a, n)
		}); err != nil {
			b.Fatal(err)
		}
		g.take([]*answer{a})
		if rows, _, _ := interfaces(g.byTID(), 100_000); len(rows) != 10_000 || len(g.holders().names()) != 10_000 {
			b.Fatal("not all are there")
		}
	}
}

// endlessAnswer is an answer of any length.
type endlessAnswer struct {
	before, again string
	at            int
}

func (e *endlessAnswer) Read(p []byte) (int, error) {
	if e.before != "" {
		n := copy(p, e.before)
		e.before = e.before[n:]
		return n, nil
	}
	n := copy(p, e.again[e.at:])
	e.at = (e.at + n) % len(e.again)
	return n, nil
}

// TestEndlessAnswers are given up at their bounds.
func TestEndlessAnswers(t *testing.T) {
	for _, c := range []struct {
		name string
		r    *endlessAnswer
		want error
	}{
		{"a node", &endlessAnswer{before: `[{"ID":"`, again: strings.Repeat("x", 4096)}, errNodeTooLarge},
		{"space", &endlessAnswer{before: `[`, again: strings.Repeat(" ", 4096)}, errNodeTooLarge},
		{"depth", &endlessAnswer{again: strings.Repeat("[", 4096)}, nil}, // a syntax error of the decoder
		{"nodes", &endlessAnswer{before: `[{"ID":"a"}`, again: `,{"ID":"a"` + strings.Repeat(" ", 1<<20) + `}`}, errAnswerTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := decodeWithin(&answerGuard{r: c.r, most: 8 << 20, mostNode: 2 << 20}, func(*rawNode) {})
			if err == nil || (c.want != nil && !errors.Is(err, c.want)) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}
