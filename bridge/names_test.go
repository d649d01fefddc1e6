// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/reference"
)

// namedTopology is the recorded topology, whose skyv1 holds the first address of
// scripted feeds, with their capture points, and a pod that holds their server's.
func namedTopology(t *testing.T, pod string) []json.RawMessage {
	return append(recordedTopology(t),
		json.RawMessage(`{"ID":"a","Host":"rack-1","Metadata":{"TID":"11111111-0000-5000-8000-000000000001","Name":"near0","Type":"veth","EncapType":"ether"}}`),
		json.RawMessage(`{"ID":"b","Host":"rack-2","Metadata":{"TID":"22222222-0000-5000-8000-000000000002","Name":"far0","Type":"device","EncapType":"ether"}}`),
		json.RawMessage(fmt.Sprintf(`{"ID":"p","Metadata":{"Name":%q,"Type":"pod","K8s":{"Namespace":"shop","IP":"10.99.0.1"}}}`, pod)))
}

// TestNamesOnLabels shows names on labels, pushed and on the page, as they become
// known, change, and are learned again after a restart: and whatever is known when,
// the sums by all other labels are those that were reported.
func TestNamesOnLabels(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.dir = t.TempDir()
	r.configure("", `aggregation: {labels: [initiator_ip, initiator_name, target_name, node_name, host, node_type, direction, protocol]}
topology: {refresh_interval: 1s}
`)
	row := func(pod string) string {
		return `skydive_network_connection_total_bytes{direction="initiator_to_target",host="rack-1",initiator_ip="10.77.0.1",` +
			`initiator_name="skyhost/skyv1",node_name="near0",node_type="veth",protocol="TCP",target_name="` + pod + `"} `
	}
	page := func() string {
		t.Helper()
		page := r.page("/metrics?collect[]=connections")
		return page
	}
	// playUntil plays until the page has that row: names are asked for in the background.
	playUntil := func(row string) {
		t.Helper()
		r.await(func() (bool, string) {
			r.play(20)
			return strings.Contains(page(), row), "no " + row
		})
	}

	a := r.Analyzers[0]
	a.SetTopology(namedTopology(t, "web-0"), nil)
	a.FailTopology(garbage)
	r.start()
	r.awaitTicks(2) // counters begin from here on
	r.play(20)
	if page := page(); strings.Contains(page, "_name=") || !strings.Contains(page, `initiator_ip="10.77.0.1",protocol="TCP"} `) {
		t.Errorf("while no analyzer tells names:\n%s", page)
	}
	a.FailTopology(nil)
	playUntil(row("shop/web-0"))

	a.FailTopology(garbage)
	r.play(20)
	r.halt()
	r.start()
	r.play(20) // nothing is known, and series with names continue
	if page := page(); !strings.Contains(page, row("shop/web-0")) {
		t.Errorf("the counter with names did not survive a restart:\n%s", page)
	}
	a.FailTopology(nil)
	playUntil(row("shop/web-0"))

	a.SetTopology(namedTopology(t, "web-1"), nil)
	playUntil(row("shop/web-1"))
	r.halt()

	view := reference.View{Labels: []string{"initiator_ip", "direction", "protocol"}}
	names := map[string]bool{}
	for _, s := range r.raw() {
		names[s.Labels.Get("target_name")] = true
	}
	if diff := cmp.Diff(r.Reference.By(view), judge.SumsBy(r.raw(), view.Labels...)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, name := range []string{"", "shop/web-0", "shop/web-1"} {
		if !names[name] {
			t.Errorf("target_name was never %q: %v", name, names)
		}
	}
	r.judgeWrites()
}

// garbage answers with something else than JSON.
func garbage(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "<html>It works!</html>")
}
