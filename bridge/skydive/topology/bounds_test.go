// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/internal/await"
)

// someIPv4 returns n addresses.
func someIPv4(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("10.%d.%d.%d/24", i>>16, i>>8&255, i&255)
	}
	return out
}

// TestAddressesOfANode are bounded, each kind; what is cut is counted, what is empty
// is none, and the same ones stay in whatever order they come.
func TestAddressesOfANode(t *testing.T) {
	all := someIPv4(5000)
	reversed := slices.Clone(all)
	slices.Reverse(reversed)
	tooLong := strings.Repeat("1", maxAddress+1)
	for _, c := range []struct {
		name      string
		list      []string
		kept, cut int
	}{
		{"none", nil, 0, 0},
		{"a few", all[:3], 3, 0},
		{"as many as can be", all[:maxHeld], maxHeld, 0},
		{"one more", all[:maxHeld+1], maxHeld, 1},
		{"many", all, maxHeld, 5000 - maxHeld},
		{"many the other way", reversed, maxHeld, 5000 - maxHeld},
		{"one again and again", slices.Repeat(all[:1], 5000), 1, 0},
		{"empty", slices.Repeat([]string{""}, 5000), 0, 0},
		{"too long", []string{tooLong, all[0]}, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := json.Marshal([]map[string]any{{"@ID": "a", "TID": "t", "IPV4": c.list, "IPV6": c.list, "Neutron.IPV6": c.list}})
			if err != nil {
				t.Fatal(err)
			}
			var n *node
			if _, err := decodeArray(strings.NewReader(string(text)), func(r *rawNode) { n, _ = r.node() }); err != nil {
				t.Fatal(err)
			}
			for _, list := range [][]string{n.ipv4, n.ipv6, n.ports} {
				if len(list) != c.kept || cap(list) > 2*maxHeld {
					t.Errorf("%d kept with room for %d, want %d", len(list), cap(list), c.kept)
				}
				if c.kept == maxHeld {
					if diff := cmp.Diff(slices.Sorted(slices.Values(all))[:maxHeld], slices.Sorted(slices.Values(list))); diff != "" && len(c.list) == len(all) {
						t.Errorf("others stay (-want +got):\n%s", diff)
					}
				}
			}
			if n.cut != 3*c.cut || n.addresses() != 3*c.kept {
				t.Errorf("%d cut of %d addresses, want %d of %d", n.cut, n.addresses(), 3*c.cut, 3*c.kept)
			}
		})
	}
}

// TestAddressesOfAll are bounded together, and a node that is reported twice counts once.
func TestAddressesOfAll(t *testing.T) {
	const limit, nodes, each = 10, 8, 15
	g, a := graphOf(limit)
	for range 3 {
		for i := range nodes {
			g.accept(a, &node{id: fmt.Sprint(i), tid: fmt.Sprint(i), ipv4: someIPv4(each)})
		}
	}
	kept, cut := 0, 0
	for _, n := range a.nodes {
		kept += n.addresses()
		cut += n.cut
	}
	if want := addressesPerNode * limit / each * each; kept != want || a.addresses != want || kept+cut != nodes*each {
		t.Errorf("%d addresses, %d noted, %d cut; want %d of %d", kept, a.addresses, cut, want, nodes*each)
	}
}

// TestClaimsAreBounded: as many addresses as there may be nodes have a holder, and each
// further one counts once, however many containers share its namespace. A node's
// addresses share one name in memory.
func TestClaimsAreBounded(t *testing.T) {
	for _, containers := range []int{0, 1, 50} {
		g, a := graphOf(100, node{id: "if", parent: "ns", tid: "t", host: "h", name: "eth0", ipv4: someIPv4(250)})
		for i := range containers {
			g.accept(a, &node{id: fmt.Sprint("c", i), kind: "container", name: fmt.Sprint("c", i), parent: "ns"})
		}
		g.take([]*answer{a})
		c := g.holders()
		if len(c.of) != 100 || c.over != 150 {
			t.Errorf("%d containers: %d claims, %d more", containers, len(c.of), c.over)
		}
		names := c.names()
		want := map[int]string{0: "h/eth0", 1: "c0", 50: ""}[containers]
		if got := names["10.0.0.7"]; containers != 50 && len(names) != 100 || containers == 50 && len(names) != 0 || got != "" && got != want {
			t.Errorf("%d containers: %d names, %q, want %q", containers, len(names), got, want)
		}
		shared := map[*byte]bool{}
		for _, name := range names {
			shared[unsafe.StringData(name)] = true
		}
		if len(shared) > 1 {
			t.Errorf("%d containers: one name lies in memory %d times", containers, len(shared))
		}
	}
}

// TestBoundsAreCounted looks at the counters of what has no room.
func TestBoundsAreCounted(t *testing.T) {
	addresses := func(n int) string {
		text, _ := json.Marshal(someIPv4(n))
		return `,"IPV4":` + string(text)
	}
	for _, c := range []struct {
		name      string
		addresses int
		cacheSize int
		notTaken  int
	}{
		{"room for all", 3, 100, 0},
		{"more than a node can have", maxHeld + 44, 1000, 0},
		{"more than there can be names", 7, 1, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := startAnalyzer(t, nodeJSON("a", "eth0", 5, addresses(c.addresses)))
			r := newRig(t, Config{Analyzers: []string{a.URL()}, CacheSize: c.cacheSize, RefreshInterval: time.Hour})
			r.waitRound(t, 0, "eth0=5")
			r.sink.mu.Lock()
			shown := 1 + strings.Count(string(r.sink.interfaces()[0].IPv4), ",")
			r.sink.mu.Unlock()
			if got, want := await.Metric(t, r.reg, "skybridge_topology_addresses_cut_total"), float64(c.addresses-shown+c.notTaken); got != want {
				t.Errorf("%v cut, want %v", got, want)
			}
		})
	}
}
