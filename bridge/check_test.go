// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/prom"
)

// TestCheck proves that each analyzer and receiver is asked and what is said of it, and
// that another subscriber of the analyzer loses nothing by it.
func TestCheck(t *testing.T) {
	a, err := analyzer.Start(analyzer.Config{HostID: "one", Users: map[string]string{"bridge": "s3cret"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	header := http.Header{"X-Client-Type": {"other"}, "X-Host-Id": {"other"}, "X-Websocket-Namespace": {"flow"}}
	(&http.Request{Header: header}).SetBasicAuth("bridge", "s3cret")
	other, answer, err := websocket.DefaultDialer.DialContext(t.Context(), a.URL(), header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	_ = answer.Body.Close() // empty
	if err := a.WaitSubscribers(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	server := startProm(t, prom.Options{})
	absent := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(absent.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<html>\r\n<h1>404</h1>\r\n</html>\n")
	}))
	t.Cleanup(page.Close)
	var asked sync.WaitGroup // each waits for the other
	asked.Add(2)
	both := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Done()
		asked.Wait()
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(both.Close)
	account := "\n  basic_auth: {username: bridge, password: s3cret}"
	const silent = "topology: {enabled: false}\nskydive: {analyzers: ['ws://127.0.0.1:1']}\n"
	for _, c := range []struct {
		name, file string
		peers      []string
		failing    int
		want       []string
	}{
		{"all of it works", "skydive:\n  analyzers: [" + a.URL() + "]" + account + "\nremote_write: [{url: '" + server.WriteURL() + "'}]\n", nil, 0, []string{
			"ok      analyzer " + a.URL() + ": its feed is there; it is one; it has no peers",
			"ok      topology of " + a.URL() + ": it answers",
			"ok      receiver " + server.WriteURL() + ": it accepts requests of remote-write 1.0",
		}},
		{"wrong password", "skydive:\n  analyzers: [" + a.URL() + "]\n  basic_auth: {username: bridge, password: wr0ng}\n", nil, 2, []string{
			"FAILED  analyzer " + a.URL() + `: the analyzer refuses the credentials (HTTP 401 Unauthorized`,
			"FAILED  topology of " + a.URL() + `: the analyzer refuses the credentials (HTTP 401 Unauthorized`,
		}},
		{"a peer is missing", "topology: {enabled: false}\nskydive:\n  analyzers: [" + a.URL() + "]" + account + "\n", []string{"two"}, 1, []string{
			"FAILED  analyzer " + a.URL() + `: its peer "two" is none of the analyzers here`,
		}},
		{"nothing there", silent + "remote_write: [{url: '" + absent.URL + "/api/v1/write'}]\n", nil, 2, []string{
			"FAILED  analyzer ws://127.0.0.1:1/ws/subscriber/flow: connect: ",
			"FAILED  receiver " + absent.URL + "/api/v1/write: HTTP status 404 Not Found: 404 page not found: check the path of url",
		}},
		{"TLS", "topology: {enabled: false}\nskydive: {analyzers: ['ws" + strings.TrimPrefix(secure.URL, "https") + "']}\n", nil, 1, []string{
			"FAILED  analyzer ws" + strings.TrimPrefix(secure.URL, "https") + "/ws/subscriber/flow: the analyzer has TLS (HTTP 400 Bad Request",
		}},
		{"a page of HTML", silent + "remote_write: [{url: '" + page.URL + "/api/v1/write'}]\n", nil, 2, []string{
			"FAILED  receiver " + page.URL + "/api/v1/write: HTTP status 404 Not Found: <html> <h1>404</h1> </html>: check the path of url",
		}},
		{"two receivers at one URL", silent + "remote_write: [{name: b, url: '" + both.URL + "/api/v1/write'}, {name: a, url: '" + both.URL + "/api/v1/write'}]\n", nil, 1, []string{
			"ok      receiver b (" + both.URL + "/api/v1/write): it accepts requests of remote-write 1.0\n" +
				"ok      receiver a (" + both.URL + "/api/v1/write): it accepts requests of remote-write 1.0\n",
		}},
		{"no such name", "topology: {enabled: false}\nskydive: {analyzers: ['dns+ws://analyzers.invalid:8082']}\n", nil, 1, []string{
			"FAILED  analyzer dns+ws://analyzers.invalid:8082/ws/subscriber/flow: look up the name: ",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a.SetPeers(c.peers...)
			file := filepath.Join(t.TempDir(), "skybridge.yml")
			if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, _, err := config.Load(file, config.Process{})
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			failing, err := Check(t.Context(), cfg, nil, &said)
			if err != nil || failing != c.failing {
				t.Errorf("%d failing, error %v:\n%s", failing, err, &said)
			}
			for _, line := range c.want {
				if !strings.Contains(said.String(), line) {
					t.Errorf("no line %q in\n%s", line, &said)
				}
			}
			if c.name == "TLS" && strings.Contains(said.String(), "ok ") {
				t.Errorf("something is in order:\n%s", &said)
			}
			if strings.Contains(said.String(), "wr0ng") {
				t.Errorf("it shows a password:\n%s", &said)
			}
		})
	}
	if a.Accepted() != 1 || len(a.Subscribers()) != 1 || !slices.Contains(a.Namespaces(), "flow") {
		t.Errorf("accepted %d, subscribed %d, sent %v: the other subscriber has lost its feed", a.Accepted(), len(a.Subscribers()), a.Namespaces())
	}
	a.SendFlows([]analyzer.Flow{{UUID: "u"}})
	if _, message, err := other.ReadMessage(); err != nil || !strings.Contains(string(message), `"u"`) {
		t.Errorf("the other subscriber received %s, error %v", message, err)
	}
}
