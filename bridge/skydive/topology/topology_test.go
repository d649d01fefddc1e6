// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
)

// TestRecordedInterfaces asks for the recorded topology: every interface with its
// labels and numbers, absent fields 0, absent addresses no label.
func TestRecordedInterfaces(t *testing.T) {
	for _, older := range []bool{false, true} {
		a := startAnalyzer(t)
		a.SetTopology(recordedJSON(t, "topology-interfaces.json"), nil)
		if older { // it knows no ValueMap
			a.FailTopology(func(w http.ResponseWriter, r *http.Request) {
				a.FailTopology(nil)
				http.Error(w, "unknown step ValueMap", http.StatusBadRequest)
			})
		}
		r := newRig(t, Config{Analyzers: []string{a.URL()}})
		r.waitInterfaces(t, "eth0=1584436971 ifb0=0 ifb1=0 skyv1=762091 skyv2=15098487")
		row := func(name, kind, v4, v6, tid string, values ...uint64) input.Interface {
			r := input.Interface{Name: []byte(name), Host: []byte("skyhost"), Type: []byte(kind), IPv4: []byte(v4), IPv6: []byte(v6), NodeTID: []byte(tid)}
			copy(r.Values[:], values)
			return r
		}
		want := []input.Interface{
			row("eth0", "device", "192.0.2.2/24", "fd00::2/64,fe80::fc:ff:fe00:1/64", "c0045003-f818-54f1-8315-5dcc658f3f2d", 1584436971, 9589748, 109573, 81485),
			row("ifb0", "ifb", "", "", "f788728b-0124-53e0-bd33-a8b393e5d7fe"),
			row("ifb1", "ifb", "", "", "9f2e36fc-cb9f-5785-b18e-a3bc308b7986"),
			row("skyv1", "veth", "10.77.0.1/24", "fd77::1/64,fe80::fca9:81ff:fe8e:9684/64", "8559e2ab-0429-5426-acd7-0899f5d7dd10", 762091, 15098487, 9286, 13285),
			row("skyv2", "veth", "10.77.0.2/24", "fd77::2/64,fe80::c4e:caff:fec3:1823/64", "78881b67-36b4-5aea-9412-455467a4ecfd", 15098487, 762091, 13285, 9286),
		}
		r.sink.mu.Lock()
		if diff := cmp.Diff(want, r.sink.interfaces()); diff != "" {
			t.Errorf("older=%t (-want +got):\n%s", older, diff)
		}
		const capture, tid = "19ec4963-b60d-4aa3-9101-9391132ff1c0", "8559e2ab-0429-5426-acd7-0899f5d7dd10"
		captures := map[string]input.CapturePackets{capture + " " + tid: {CaptureID: []byte(capture), NodeTID: []byte(tid)}}
		if diff := cmp.Diff(captures, r.sink.captures); diff != "" {
			t.Errorf("older=%t, captures (-want +got):\n%s", older, diff)
		}
		r.sink.mu.Unlock()
		if got, want := r.topology.KnownNode("c0045003-f818-54f1-8315-5dcc658f3f2d"), (label.NodeNames{Name: "eth0", Host: "skyhost", Type: "device"}); got != want {
			t.Errorf("node: %v, want %v", got, want)
		}
		if got := r.topology.KnownAddress("fd77::2"); got != "skyhost/skyv2" {
			t.Errorf("address: %q", got)
		}
		for _, q := range a.TopologyQueries()[2:] {
			if older == strings.Contains(q, "ValueMap") {
				t.Errorf("older=%t: asked %s", older, q)
			}
		}
		r.stop()
	}
}

// TestTopologyFaults meets every kind of answer that is none: it is counted by
// its kind, what was known stays, and when the analyzer works again, so does all.
func TestTopologyFaults(t *testing.T) {
	status := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, code) }
	}
	text := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	for _, c := range []struct {
		name  string
		fault http.HandlerFunc
		want  result
	}{
		{"unauthorized", status(http.StatusUnauthorized, "Wrong credentials"), resultUnauthorized},
		{"absent", http.NotFound, resultHTTP},
		{"always bad", status(http.StatusBadRequest, "no"), resultHTTP},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusTemporaryRedirect) }, resultHTTP},
		{"slow", answerSlow, resultTimeout},
		{"huge", answerHuge, resultTooLarge},
		{"garbage", text("<html>It works!</html>"), resultMalformed},
		{"object", text(`{"a":1}`), resultMalformed},
		{"nothing", text(""), resultMalformed},
		{"cut", text(`[{"@ID":"a","TID":"t","Name":"eth0","EncapType":"ether"},{"@ID":"b"`), resultMalformed},
		{"more", text(`[] []`), resultMalformed},
		// Nothing is of the type it should be of: the old connector panicked at less.
		{"wrong types", text(`[{"@ID":7},{"@ID":"a","Name":{}},{"@ID":"b","IPV4":"10.0.0.1/24"},{"@ID":"c","Metric":[1]},` +
			`{"@ID":"d","Metric":{"RxBytes":"many"}},{"@ID":"e","Metric":{"RxBytes":-1}},{"@ID":"f","TID":["t"]},12,"x",[],` +
			`{"ID":"g","Metadata":[]},{"ID":"h","Metadata":{"K8s":"x"}},{"@ID":"i","@Revision":1.5}]`), resultMalformed},
		{"hung up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, resultUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := startAnalyzer(t, nodeJSON("a", "eth0", 5, `,"IPV4":["10.0.0.1/24"]`))
			r := newRig(t, Config{Analyzers: []string{a.URL()}}, func(t *Topology) { t.timeout = 2 * time.Second })
			r.waitInterfaces(t, "eth0=5")
			a.FailTopology(c.fault)
			r.logs.WaitFor(t, "result="+string(c.want))
			if r.requests(t, a, c.want) < 1 {
				t.Error("it is not counted")
			}
			if got, _ := r.sink.list(); got != "eth0=5" {
				t.Errorf("interfaces: %s", got)
			}
			if got := r.topology.KnownAddress("10.0.0.1") + " " + r.topology.KnownNode("tid-a").Name; got != "h/eth0 eth0" {
				t.Errorf("names: %s", got)
			}
			if s := r.topology.Status(); len(s) != 1 || s[0].LastError == "" || s[0].Nodes != 1 {
				t.Errorf("status: %v", s)
			}
			a.SetTopology([]json.RawMessage{nodeJSON("a", "eth0", 6, "")}, nil)
			a.FailTopology(nil)
			r.waitInterfaces(t, "eth0=6")
			if s := r.topology.Status(); s[0].LastError != "" {
				t.Errorf("status: %v", s)
			}
		})
	}
}

// answerSlow begins an answer and then never continues.
func answerSlow(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "[")
	_ = http.NewResponseController(w).Flush() // it can
	<-r.Context().Done()
}

// answerHuge answers with a node that never ends.
func answerHuge(w http.ResponseWriter, r *http.Request) {
	_, err := io.WriteString(w, `[{"@ID":"`)
	chunk := strings.Repeat("x", 64<<10)
	for err == nil && r.Context().Err() == nil {
		_, err = io.WriteString(w, chunk)
	}
}

// TestEmptyTopology is an answer as good as any: all interfaces end.
func TestEmptyTopology(t *testing.T) {
	a := startAnalyzer(t, nodeJSON("a", "eth0", 5, ""))
	r := newRig(t, Config{Analyzers: []string{a.URL()}})
	r.waitInterfaces(t, "eth0=5")
	a.FailTopology(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]\n") })
	r.waitInterfaces(t, "")
	a.FailTopology(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("null\n")) })
	r.waitInterfaces(t, "")
	a.FailTopology(nil)
	r.waitInterfaces(t, "eth0=5")
}

// TestUnreachableTopology has one analyzer of two out of reach: what only that one
// reported stays, what both reported follows the other.
func TestUnreachableTopology(t *testing.T) {
	a, b := startAnalyzer(t), startAnalyzer(t)
	a.SetTopology([]json.RawMessage{nodeJSON("both", "both", 5, ""), nodeJSON("gone", "gone", 1, "")}, nil)
	b.SetTopology([]json.RawMessage{nodeJSON("both", "both", 7, ""), nodeJSON("gone", "gone", 1, ""), nodeJSON("b", "only", 2, "")}, nil)
	r := newRig(t, Config{Analyzers: []string{a.URL(), b.URL()}})
	r.waitInterfaces(t, "both=7 gone=1 only=2") // the later revision
	b.Stop()
	r.logs.WaitFor(t, "result=unreachable")
	a.SetTopology([]json.RawMessage{nodeJSON("both", "both", 8, "")}, nil)
	r.waitInterfaces(t, "both=8 only=2")
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	b.SetTopology([]json.RawMessage{nodeJSON("both", "both", 8, "")}, nil)
	r.waitInterfaces(t, "both=8")
}

// TestTopologyCredentials sends what the feed sends, never shows it, and does not
// carry it to where a redirect leads.
func TestTopologyCredentials(t *testing.T) {
	const secret = "t0psecret"
	a := startAnalyzerWith(t, analyzer.Config{Users: map[string]string{"bridge": secret}}, nodeJSON("a", "eth0", 5, ""))
	bridge := account(t, access.Settings{HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "bridge", Password: secret}}})
	r := newRig(t, Config{Analyzers: []string{a.URL() + "?x-token=qu3ry"}, Account: bridge})
	r.waitInterfaces(t, "eth0=5")
	a.FailTopology(func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		http.Error(w, "what? "+user+pass+r.Header.Get("Authorization")+r.URL.String(), http.StatusTeapot)
	})
	r.logs.WaitFor(t, "result=http_status")
	if text := r.logs.String(); strings.Contains(text, secret) || strings.Contains(text, "qu3ry") || strings.Contains(text, "YnJpZGdl") || !strings.Contains(text, "what?") {
		t.Errorf("the log:\n%s", text)
	}
	r.stop()

	wrong := newRig(t, Config{Analyzers: []string{a.URL()}})
	wrong.logs.WaitFor(t, "it wants credentials: set skydive.basic_auth.username")
}

// TestTopologyReload changes whom to ask, switches it off, and on again.
func TestTopologyReload(t *testing.T) {
	a, b := startAnalyzer(t, nodeJSON("a", "eth0", 5, "")), startAnalyzer(t)
	// A node can have two probes of one capture.
	b.SetTopology([]json.RawMessage{nodeJSON("b", "eth1", 6, `,"Captures":[{"ID":"c","PacketsReceived":7,"PacketsDropped":1},{"ID":"c","PacketsReceived":2},{"PacketsReceived":1}]`)}, nil)
	cfg := Config{Enabled: true, Analyzers: []string{a.URL()}, Account: account(t, access.Settings{}), RefreshInterval: 10 * time.Millisecond, CacheSize: 10}
	r := newRig(t, cfg)
	r.waitInterfaces(t, "eth0=5")
	reload := func(want string, change func(*Config)) {
		t.Helper()
		_, before := r.sink.list() // before the reload, for no round follows the one that switches off
		change(&cfg)
		if err := r.topology.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		r.waitRound(t, before, want)
	}
	reload("eth0=5 eth1=6", func(c *Config) { c.Analyzers = []string{a.URL(), b.URL()} })
	reload("eth1=6", func(c *Config) { c.Analyzers = []string{b.URL()} })
	if r.requests(t, a, resultOK) != -1 {
		t.Error("the metrics of an analyzer that is not asked any more stay")
	}
	captures := func(want map[string]input.CapturePackets, names ...string) {
		t.Helper()
		r.sink.mu.Lock()
		defer r.sink.mu.Unlock()
		if diff := cmp.Diff(want, r.sink.captures); diff != "" {
			t.Errorf("captures (-want +got):\n%s", diff)
		}
		if got := slices.Sorted(maps.Keys(r.sink.nodes)); !slices.Equal(got, names) {
			t.Errorf("nodes %v, want %v", got, names)
		}
	}
	captures(map[string]input.CapturePackets{"c tid-b": {CaptureID: []byte("c"), NodeTID: []byte("tid-b"), Received: 9, Dropped: 1}}, "tid-a", "tid-b")
	reload("", func(c *Config) { c.Enabled = false })
	captures(map[string]input.CapturePackets{})
	if got := r.topology.KnownNode("tid-b"); got != (label.NodeNames{}) || len(r.topology.Status()) != 0 {
		t.Errorf("disabled, it has %v, %v", got, r.topology.Status())
	}
	reload("eth1=6", func(c *Config) { c.Enabled = true })
	if err := r.topology.Reload(Config{Enabled: true, RefreshInterval: time.Second}); err == nil {
		t.Error("no room for names was accepted")
	}
	r.waitInterfaces(t, "eth1=6")
}

// TestUnknownNameIsLookedFor asks for what no analyzer has reported yet: a question goes
// out long before the next is due, and not a second one.
func TestUnknownNameIsLookedFor(t *testing.T) {
	a := startAnalyzer(t)
	r := newRig(t, Config{Analyzers: []string{a.URL()}, RefreshInterval: time.Hour}, func(t *Topology) { t.settle = 0 })
	r.waitRound(t, 0, "")
	a.SetTopology([]json.RawMessage{nodeJSON("a", "eth0", 5, `,"IPV4":["10.0.0.1/24"]`)}, nil)
	r.sink.want("10.0.0.1")
	r.waitRound(t, 1, "eth0=5")
	named := func(want string) {
		t.Helper()
		r.sink.mu.Lock()
		defer r.sink.mu.Unlock()
		if got := r.sink.addresses["10.0.0.1"]; got != want {
			t.Errorf("address: %q, want %q", got, want)
		}
	}
	named("h/eth0")
	r.sink.mu.Lock()
	delete(r.sink.addresses, "10.0.0.1") // as if it had been evicted
	r.sink.mu.Unlock()
	asked := len(a.TopologyQueries())
	for _, unknown := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
		r.sink.want(unknown)
	}
	for len(r.sink.wanted) > 0 {
		runtime.Gosched()
	}
	if err := r.topology.Reload(Config{Enabled: true, Analyzers: []string{a.URL()}, Account: r.topology.cfg.Account, RefreshInterval: time.Hour, CacheSize: 10}); err != nil {
		t.Fatal(err)
	}
	r.waitRound(t, 2, "eth0=5")
	if got := len(a.TopologyQueries()) - asked; got != 2 {
		t.Errorf("%d questions, want those two of the reload", got)
	}
	named("h/eth0")
	if got := await.Metric(t, r.reg, "skybridge_topology_names_unknown_total", "what", "address"); got != 2 {
		t.Errorf("%v unknown names, want 2", got)
	}
}

// What is wrong with a proxy's URL is said without it, also where the topology is
// asked.
func TestTheTopologyHidesItsProxy(t *testing.T) {
	bad := func(*http.Request) (*url.URL, error) { return nil, errors.New("bad http://user:pr0xy@x") }
	r := newRig(t, Config{Analyzers: []string{"ws://127.0.0.1:1"}, Account: account(t, access.Settings{Proxy: bad})})
	r.logs.WaitFor(t, "the proxy's URL (skydive.proxy_url, HTTP_PROXY, HTTPS_PROXY) is invalid")
	if text := r.logs.String() + r.topology.Status()[0].LastError; strings.Contains(text, "pr0xy") {
		t.Errorf("%s", text)
	}
}
