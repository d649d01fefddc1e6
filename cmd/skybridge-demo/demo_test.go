// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/prom"
)

// awaitText returns when a text has been printed, or the run has ended without it.
func awaitText(t *testing.T, out *await.Logs, text string, ended <-chan error) {
	t.Helper()
	err := await.Wait(t.Context(), func() (bool, string) {
		select {
		case err := <-ended:
			t.Fatalf("ended with error %v before it printed %q:\n%s", err, text, out)
		default:
		}
		return strings.Contains(out.String(), text), "never printed " + text
	})
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
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
	out, logs, ended := &await.Logs{}, &await.Logs{}, make(chan error, 1)
	go func() { ended <- run(ctx, quick(), out, logs) }()
	awaitText(t, out, "Ctrl-C ends it", ended)
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
		if text, _, err := await.Page(ctx, url, ""); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: no %q in %d bytes (%v)", url, want, len(text), err)
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
	out, ended := &await.Logs{}, make(chan error, 1)
	go func() { ended <- run(ctx, quick("--analyzer=ws://"+feed.Addr()), out, io.Discard) }()
	awaitText(t, out, "a real Skydive", ended)
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

// The query page carries the queries, and its policy allows its own script and
// style and nothing else.
func TestQueryPage(t *testing.T) {
	answer := httptest.NewRecorder()
	queryPage(guideQueries(ranges{update: 10 * time.Second, push: 5 * time.Second})).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	page, policy := answer.Body.String(), answer.Header().Get("Content-Security-Policy")
	for _, want := range []string{
		`rate(skydive_network_connection_total_bytes[1m])`, `"Name":`,
		"<script>" + graphScript + "</script>", "<style>" + graphStyle + "</style>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("not on the page: %s", want)
		}
	}
	for _, want := range []string{"default-src 'none'", "script-src " + source(graphScript), "style-src " + source(graphStyle)} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %s lacks %s", policy, want)
		}
	}
}
