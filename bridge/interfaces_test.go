// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/prom"
)

// recordedTopology is the topology of a real Skydive: five interfaces, of which
// two were never used and have no address.
func recordedTopology(t *testing.T) []json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("skydive/testdata/topology-interfaces.json")
	if err != nil {
		t.Fatal(err)
	}
	var nodes []json.RawMessage
	if err := json.Unmarshal(text, &nodes); err != nil {
		t.Fatal(err)
	}
	return nodes
}

// without leaves out the node of that name.
func without(nodes []json.RawMessage, name string) []json.RawMessage {
	return slices.DeleteFunc(slices.Clone(nodes), func(n json.RawMessage) bool {
		return strings.Contains(string(n), fmt.Sprintf(`"Name":%q`, name))
	})
}

// pushedInterfaces returns what the Prometheus has of interfaces.
func (r *rig) pushedInterfaces() []prom.Series {
	r.t.Helper()
	return r.stored(r.prom, `{__name__=~"skydive_network_interface_.+"}`)
}

// awaitInterfaces waits until the page has that many interfaces.
func (r *rig) awaitInterfaces(want int) (page string) {
	r.t.Helper()
	r.await(func() (bool, string) {
		var err error
		page, _, err = await.Page(r.ctx, r.url+"/metrics?collect[]=interfaces", "")
		got := strings.Count(page, "\nskydive_network_interface_rx_bytes{")
		return err == nil && got == want, fmt.Sprintf("%d interfaces, want %d (%v)", got, want, err)
	})
	return page
}

// TestInterfacesAreAsRecorded pushes and serves the recorded topology: the page is
// a golden file, and what is pushed is the page.
func TestInterfacesAreAsRecorded(t *testing.T) {
	r := newRig(t, 2, prom.Options{})
	r.configure("", "topology: {refresh_interval: 1s}\n")
	for _, a := range r.Analyzers { // both report each: once is enough
		a.SetTopology(recordedTopology(t), nil)
	}
	r.start()
	page := r.awaitInterfaces(5)
	golden(t, "testdata/interfaces.golden", page)
	r.awaitTicks(2)
	r.halt() // without a storage path: every series ends
	var pushed, served []string
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "#") {
			served = append(served, strings.TrimSpace(line))
		}
	}
	for _, s := range r.pushedInterfaces() {
		var labels []string
		for _, name := range []string{"host", "interface_name", "interface_type", "ipv4", "ipv6", "node_tid"} {
			if v := s.Labels.Get(name); v != "" {
				labels = append(labels, fmt.Sprintf("%s=%q", name, v))
			}
		}
		pushed = append(pushed, fmt.Sprintf("%s{%s} %.0f", s.Labels.Get("__name__"), strings.Join(labels, ","), s.Samples[0].Value()))
		lives := prom.Incarnations(s.Samples)
		if len(lives) != 1 || !lives[0].Ended() || lives[0].Samples[0].Value() != lives[0].Samples[len(lives[0].Samples)-1].Value() {
			t.Errorf("%v: %v, want one life of one value, with its end", s.Labels, s.Samples)
		}
	}
	slices.Sort(pushed)
	slices.Sort(served)
	if diff := cmp.Diff(served, pushed); diff != "" {
		t.Errorf("pushed differs from served (-served +pushed):\n%s", diff)
	}
	r.judgeWrites()
}

// TestInterfacesEnd goes through all that ends interfaces, and what does not, over
// a restart: none ends without a marker while the bridge runs, and none twice.
func TestInterfacesEnd(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.dir = t.TempDir()
	const topology = "topology: {refresh_interval: 1s}\n"
	r.configure("", topology)
	all := recordedTopology(t)
	r.Analyzers[0].SetTopology(all, nil)
	lives := func(name string) (n int, ended bool) {
		t.Helper()
		for _, s := range r.pushedInterfaces() {
			if s.Labels.Get("interface_name") != name || s.Labels.Get("__name__") != "skydive_network_interface_rx_bytes" || s.Labels.Get("site") != "" {
				continue
			}
			stale := 0
			for _, sample := range s.Samples {
				if sample.Stale() {
					stale++
				}
			}
			all := prom.Incarnations(s.Samples)
			n, ended = len(all), all[len(all)-1].Ended()
			if marked := len(all) - 1; ended && stale != marked+1 || !ended && stale != marked {
				t.Errorf("%s: %d stale markers in %d lives: %v", name, stale, n, s.Samples)
			}
		}
		return n, ended
	}
	expect := func(when, name string, n int, ended bool) {
		t.Helper()
		if gotN, gotEnded := lives(name); gotN != n || gotEnded != ended {
			t.Errorf("%s: %s has %d lives, the last ended: %t, want %d, %t", when, name, gotN, gotEnded, n, ended)
		}
	}
	r.start()
	r.awaitInterfaces(5)

	r.Analyzers[0].FailTopology(garbage)
	r.await(func() (bool, string) {
		n, err := await.Scrape(r.ctx, r.url, "skybridge_topology_requests_total")
		return err == nil && strings.Contains(r.logs.String(), "result=malformed"), fmt.Sprint(n, err)
	})
	r.awaitTicks(2)
	expect("an analyzer fails", "eth0", 1, false)
	r.play(10) // flows count as ever

	r.Analyzers[0].SetTopology(without(all, "skyv2"), nil)
	r.Analyzers[0].FailTopology(nil)
	r.awaitInterfaces(4)
	r.awaitTicks(2)
	expect("one is gone", "skyv2", 1, true)
	expect("one is gone", "eth0", 1, false)

	r.Analyzers[0].SetTopology(all, nil)
	r.awaitInterfaces(5)
	r.configure("", topology+"# restart\n")
	r.halt()
	r.Analyzers[0].SetTopology(without(all, "skyv1"), nil)
	r.start()
	r.awaitInterfaces(4)
	r.awaitTicks(2)
	expect("a restart", "eth0", 1, false)
	expect("a restart", "skyv2", 2, false)
	expect("gone while the bridge was", "skyv1", 1, true) // it vanishes

	r.configure(", external_labels: {site: x}", topology)
	r.reloadNow()
	r.awaitInterfaces(4)
	r.awaitTicks(2)
	expect("other names", "eth0", 1, true)

	r.configure("", "topology: {enabled: false}\n")
	r.reloadNow()
	r.awaitInterfaces(0)
	r.configure("", topology)
	r.reloadNow()
	r.awaitInterfaces(4)
	r.awaitTicks(1)
	r.halt()
	if n, _ := lives("eth0"); n < 2 {
		t.Errorf("eth0 has %d lives, want it to reset under its first name", n)
	}
	r.judgeTotal()
}
