// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/receiver"
)

// TestPeersThatMisbehaveWithSecrets runs a bridge among peers that repeat
// everything that they are sent, token endpoints that hang, and a password file
// that becomes a pipe. No secret is in the log or on a page, and the receiver beside
// them gets every byte, also over reloads.
func TestPeersThatMisbehaveWithSecrets(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(filepath.Dir(r.config), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	refusing := func(fault receiver.Fault) string {
		t.Helper()
		s := receiver.New(receiver.Config{Fail: func(int, *http.Request) receiver.Fault { return fault }})
		url, err := s.Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return url
	}
	echo := refusing(receiver.Fault{Status: http.StatusForbidden, Echo: true})
	away := refusing(receiver.Redirect(http.StatusTemporaryRedirect, strings.Replace(echo, "127.0.0.1", "localhost", 1)))
	analyzer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, "%s %v", req.RequestURI, req.Header)
	}))
	t.Cleanup(analyzer.Close)
	echoing, hanging := receiver.StartTokens(time.Hour), receiver.StartTokens(time.Hour)
	t.Cleanup(echoing.Close)
	t.Cleanup(hanging.Close)
	echoing.SetFault(receiver.Fault{Status: 400, Echo: true})
	hanging.SetFault(receiver.Fault{HangForever: true})
	write("password", "S3CRET-in-a-file\n")

	endpoint := func(name, url, rest string) string {
		return fmt.Sprintf("- {name: %s, url: '%s', queue_config: {max_backoff: 100ms}, %s}\n", name, url, rest)
	}
	const auth = "headers: {X-Api-Key: S3CRET-of-a-header, X-Short: q7}, basic_auth: {username: u, password_file: password}"
	oauth := func(url string) string {
		return "oauth2: {client_id: id, client_secret: S3CRET-of-a-client, token_url: '" + url + "?k=S3CRETk', endpoint_params: {password: S3CRET-param}}"
	}
	config := func(faulty string) {
		write(filepath.Base(r.config), fmt.Sprintf("global: {push_interval: 1s}\nskydive:\n  analyzers: [%s, '%s/ws?S3CRET-query']\n"+
			"  basic_auth: {username: u, password_file: password}\nremote_write:\n- {name: healthy, url: %s}\n%s",
			r.Analyzers[0].URL(), strings.Replace(analyzer.URL, "http", "ws", 1), r.prom.WriteURL(), faulty))
	}
	faulty := endpoint("semicolon", echo+"?sig=S3CRETs;v=1", auth) + endpoint("malformed", echo+"?token=S3CRETt%zz", auth) +
		endpoint("bare", echo+"?S3CRETb", auth) + endpoint("elsewhere", away+"?S3CRETe", auth) +
		endpoint("token-echoes", echo, oauth(echoing.URL())) + endpoint("token-hangs", echo, "remote_timeout: 100ms, "+oauth(hanging.URL())) +
		endpoint("pipe", echo, "authorization: {credentials_file: pipe}")
	pipe := write("pipe", "S3CRET-before-the-pipe")
	config(faulty)
	r.start()
	if err := os.Remove(pipe); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	r.send(recording(t, "skydive/testdata/session-mixed.jsonl")...)
	errors := func(want map[string]string) {
		t.Helper()
		r.await(func() (bool, string) {
			page, _, err := await.Page(r.ctx, r.url+"/api/v1/status", "")
			for name, text := range want {
				_, of, _ := strings.Cut(page, `"name": "`+name+`"`)
				if of, _, _ = strings.Cut(of, `"name"`); strings.Contains(of, text) {
					delete(want, name) // its next attempt may fail for want of time
				} else {
					return false, fmt.Sprintf("%s does not say %q (%v):\n%s", name, text, err, page)
				}
			}
			return true, ""
		})
	}
	errors(map[string]string{
		"semicolon": "HTTP status 403 Forbidden: POST /api/v1/write?", "malformed": "HTTP status 403", "bare": "HTTP status 403", "elsewhere": "HTTP status 403",
		"token-echoes": "no token from " + echoing.URL(), "token-hangs": "no answer within 100ms", "pipe": "is not a regular file",
	})
	var pages strings.Builder
	look := func() {
		t.Helper()
		for _, path := range []string{"/", "/api/v1/status", "/metrics", "/-/ready"} {
			page := r.page(path)
			pages.WriteString(page)
		}
	}
	look()
	r.awaitReceived()
	r.await(func() (bool, string) { // while all the others fail
		diff := judge.Diff(r.Reference.Totals(), judge.Sums(r.raw()))
		return diff == "", diff
	})

	// A rotated secret is hidden as the former one; what hangs does not hold up a
	// reload that changes or removes it.
	write("password", "S3CRET-after-rotation")
	config(strings.Replace(strings.ReplaceAll(faulty, "S3CRET-of", "S3CRET-now-of"), "credentials_file: pipe", "credentials: S3CRET-inline", 1))
	r.reloadNow()
	errors(map[string]string{"pipe": "HTTP status 403"})
	look()
	config("")
	r.reloadNow()
	r.play(30)
	r.awaitReceived()
	r.halt()
	if diff := judge.Diff(r.Reference.Totals(), judge.Sums(r.raw())); diff != "" {
		t.Errorf("the receiver beside them lacks:\n%s", diff)
	}
	for _, text := range []string{pages.String(), r.logs.text.String()} {
		for _, secret := range []string{"S3CRET", "q7", "dTpTM0NSRV", "S3CR"} {
			if _, after, found := strings.Cut(text, secret); found {
				t.Errorf("%s is shown: …%s", secret, after[:min(len(after), 200)])
			}
		}
	}
	for _, name := range []string{"semicolon", "elsewhere", "token-echoes", "token-hangs", "pipe"} {
		if !strings.Contains(r.logs.text.String(), "remote_name="+name) {
			t.Errorf("the log has no line of %s", name)
		}
	}
	if !strings.Contains(r.logs.text.String(), "not subscribed to the analyzer") {
		t.Error("the log has no line of the analyzer")
	}
}
