// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/prom"
)

// terminal keeps what is printed and tells when a text has come.
type terminal struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newTerminal() *terminal { return &terminal{changed: make(chan struct{}, 1)} }

func (t *terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
	return t.text.Write(b)
}

func (t *terminal) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// await returns when a text has been printed, or the run has ended without it.
func (t *terminal) await(test *testing.T, text string, ended <-chan error) {
	test.Helper()
	for !strings.Contains(t.String(), text) {
		select {
		case <-t.changed:
		case err := <-ended:
			test.Fatalf("ended with error %v before it printed %q:\n%s", err, text, t)
		case <-test.Context().Done():
			test.Fatalf("never printed %q:\n%s", text, t)
		}
	}
}

// quick are the flags of a demo on free ports that shows something soon; more
// of them win over these.
func quick(more ...string) []string {
	args := more
	for _, flag := range []string{
		"--web.listen-address=127.0.0.1:0", "--prometheus.listen-address=127.0.0.1:0", "--feed.listen-address=127.0.0.1:0",
		"--push-interval=1s",
	} {
		name, _, _ := strings.Cut(flag, "=")
		if !slices.ContainsFunc(more, func(arg string) bool { return strings.HasPrefix(arg, name+"=") }) {
			args = append(args, flag)
		}
	}
	return args
}

// The demo starts, every query that it prints answers at once, and it ends
// without an error and without leaving anything behind (see TestMain).
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, logs, ended := newTerminal(), newTerminal(), make(chan error, 1)
	go func() { ended <- run(ctx, quick(), out, logs) }()
	out.await(t, "Ctrl-C ends it", ended)
	if !strings.Contains(out.String(), `"metric might not be a counter"`) {
		t.Errorf("nothing on Prometheus' remark in\n%s", out)
	}

	prometheus := regexp.MustCompile(`Prometheus  (http://\S+)/ `).FindStringSubmatch(out.String())
	bridge := regexp.MustCompile(`bridge      (http://\S+)/ `).FindStringSubmatch(out.String())
	if prometheus == nil || bridge == nil {
		t.Fatalf("no addresses in\n%s", out)
	}
	client := prom.NewClient(prometheus[1])
	defer client.Close()
	for _, q := range guideQueries(ranges{update: 10 * time.Second, push: time.Second}) {
		if !strings.Contains(out.String(), q.Query) {
			t.Errorf("not printed: %s", q.Query)
		}
		found, err := client.Query(ctx, q.Query, time.Now())
		if err != nil {
			t.Errorf("%s: %v", q.Query, err)
		} else if len(found) == 0 {
			t.Errorf("%s: no answer", q.Query)
		}
	}
	for url, want := range map[string]string{
		prometheus[1] + "/":                         "skybridge demo",
		prometheus[1] + "/graph":                    "skybridge demo",
		bridge[1] + "/metrics":                      "skydive_network_connection_total_bytes{",
		bridge[1] + "/metrics?collect[]=interfaces": `skydive_network_interface_rx_bytes{host="site-1",interface_name="br0",interface_type="bridge",node_tid="`,
		bridge[1] + "/-/ready":                      "ready",
		prometheus[1] + "/-/ready":                  "Ready",
	} {
		if text := fetch(t, url); !strings.Contains(text, want) {
			t.Errorf("%s: no %q in %d bytes", url, want, len(text))
		}
	}

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	// A warning may come from a slow machine; an error has no excuse.
	if text := logs.String(); strings.Contains(text, "level=ERROR") {
		t.Errorf("it complained:\n%s", text)
	}
}

// With --analyzer there is no feed of the demo's own: the bridge subscribes to
// the analyzer named.
func TestDemoWithARealAnalyzer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	feed, err := analyzer.Start(analyzer.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	out, ended := newTerminal(), make(chan error, 1)
	go func() { ended <- run(ctx, quick("--analyzer=ws://"+feed.Addr()), out, io.Discard) }()
	out.await(t, "a real Skydive", ended)
	if err := feed.WaitSubscribers(ctx, 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// Ctrl-C that comes before anything runs is no error either.
func TestEndedBeforeItBegan(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, quick(), io.Discard, io.Discard); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// A port that is taken is an error that names the flag that chooses it.
func TestTakenPorts(t *testing.T) {
	for _, flag := range []string{webFlag, prometheusFlag, feedFlag} {
		t.Run(flag, func(t *testing.T) {
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()
			address := taken.Addr().String()
			err = run(t.Context(), quick("--"+flag+"="+address), io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), "--"+flag) || !strings.Contains(err.Error(), address) {
				t.Errorf("error %v, want one that names --%s and %s", err, flag, address)
			}
		})
	}
}

func TestBadFlags(t *testing.T) {
	for _, test := range []struct{ flag, want string }{
		{"--push-interval=10ms", "--push-interval: 10ms is below 1s"},
		{"--flow-update=0s", "--flow-update: 0s is below 1s"},
		{"--prometheus.listen-address=0.0.0.0:0", "--prometheus.listen-address: prom: listen address \"0.0.0.0:0\": not a loopback address"},
		{"--analyzer=mailto:me", "analyzers"},
		{"--no-such", "no-such"},
	} {
		t.Run(test.flag, func(t *testing.T) {
			if err := run(t.Context(), quick(test.flag), io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

// The queries on offer are PromQL, without a running demo too.
func TestGuideQueriesParse(t *testing.T) {
	p := parser.NewParser(parser.Options{EnableExtendedRangeSelectors: true})
	for _, q := range guideQueries(ranges{update: time.Minute, push: 15 * time.Second}) {
		if _, err := p.ParseExpr(q.Query); err != nil {
			t.Errorf("%s: %v", q.Query, err)
		}
	}
}

// The query page carries the queries, and its policy allows its own script and
// style and nothing else.
func TestQueryPage(t *testing.T) {
	home, err := queryPage(guideQueries(ranges{update: 10 * time.Second, push: 5 * time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	server, err := prom.Start(prom.Options{Home: home})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	response, err := get(t, server.URL()+"/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`rate(skydive_network_connection_total_bytes[1m])`, `"Name":`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("not on the page: %s", want)
		}
	}
	policy := response.Header.Get("Content-Security-Policy")
	for _, part := range []struct{ open, end, directive string }{{"<script>", "</script>", "script-src "}, {"<style>", "</style>", "style-src "}} {
		text, found := inner(string(page), part.open, part.end)
		if !found || !strings.Contains(policy, part.directive+source(text)) {
			t.Errorf("policy %s does not allow the page's own %s", policy, part.directive)
		}
	}
}

func get(t *testing.T, url string) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	response, err := get(t, url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
