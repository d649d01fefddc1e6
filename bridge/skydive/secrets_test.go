// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/skydive-project/skybridge/secrets"
)

func TestQuotableIsShort(t *testing.T) {
	if got := quotable(strings.NewReader(strings.Repeat("é", 2000)), secrets.New()); len(got) > maxQuoted+len("…") || !strings.HasSuffix(got, "é…") {
		t.Errorf("%q", got)
	}
	// The secret that the library cut off leaves no beginning behind.
	s := secrets.New()
	s.Add(secrets.Secret{Text: "s3cret"})
	body := strings.Repeat("s3cret", 166) + strings.Repeat(".", 1024-166*6-3) + "s3c"
	if got := quotable(strings.NewReader(body), s); strings.Contains(got, "s3c") {
		t.Errorf("%q", got)
	}
	cut := strings.Repeat(" ", 1021) + "s3cret"
	if got := quotable(strings.NewReader(cut), s); got != "" {
		t.Errorf("%q", got)
	}
}

// What the peer repeats of our credentials gets neither into the log nor into
// the status, by whichever way it comes back.
func TestEchoedCredentialsAreHidden(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		logged string
	}{
		{"in a refusal's body", func(w http.ResponseWriter, r *http.Request) {
			_, password, _ := r.BasicAuth()
			http.Error(w, r.Header.Get("Authorization")+" means "+password+" at "+r.RequestURI, http.StatusForbidden)
		}, `Basic <hidden> means <hidden> at /ws?<hidden>`},
		{"in a broken answer", func(w http.ResponseWriter, r *http.Request) {
			_, password, _ := r.BasicAuth()
			conn, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprintf(conn, "%s=%s\r\n\r\n", password, r.Header["Authorization"][0][len("Basic "):])
			conn.Close()
		}, `<hidden>=<hidden>`},
		{"in a goodbye", func(w http.ResponseWriter, r *http.Request) {
			up := websocket.Upgrader{}
			conn, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			_, password, _ := r.BasicAuth()
			bye := websocket.FormatCloseMessage(websocket.ClosePolicyViolation, "no "+password)
			_ = conn.WriteMessage(websocket.CloseMessage, bye)
			conn.Close()
		}, `no <hidden>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := serve(t, c.answer) + "/ws?token=t0ken"
			r := newRig(t, Config{Analyzers: []string{to}, Username: "bridge",
				Password: func() (string, error) { return "s3cret", nil }}).run(t)
			r.logs.waitFor(t, c.logged)
			text := r.logs.String() + r.feed.Status()[0].LastError
			for _, secret := range []string{"s3cret", "YnJpZGdlOnMzY3JldA", "t0ken"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s is in %s", secret, text)
				}
			}
		})
	}
}

// What is wrong with a proxy's URL is said without it, also where the topology is
// asked.
func TestTheTopologyHidesItsProxy(t *testing.T) {
	r := newTopologyRig(t, TopologyConfig{Analyzers: []string{"ws://127.0.0.1:1"}}, func(topology *Topology) {
		topology.proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("bad http://user:pr0xy@x") }
	})
	r.logs.waitFor(t, "the proxy's URL (HTTP_PROXY, HTTPS_PROXY) is invalid")
	if text := r.logs.String() + r.topology.Status()[0].LastError; strings.Contains(text, "pr0xy") {
		t.Errorf("%s", text)
	}
}

// A password file that is a pipe is an error that a connect does not wait for.
func TestPasswordFileThatIsAPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	set := secrets.New()
	r := newRig(t, Config{Analyzers: []string{"ws://127.0.0.1:1"}, Username: "bridge", Secrets: set,
		Password: func() (string, error) { return set.ReadFile(pipe) }}).run(t)
	r.logs.waitFor(t, "read the password (skydive.basic_auth.password_file): file "+pipe+": is not a regular file")
}
