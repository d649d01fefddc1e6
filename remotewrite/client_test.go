// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
	"github.com/skydive-project/skybridge/secrets"
)

// TestJudge proves the meaning of every kind of status code.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		status int
		want   verdict
	}{
		{200, delivered}, {202, delivered}, {204, delivered}, {299, delivered},
		{300, again}, {301, again}, {307, again},
		{400, refused}, {401, refused}, {403, refused}, {404, refused}, {409, refused}, {415, refused}, {422, refused},
		{408, again}, {425, again}, {413, tooLarge},
		{500, again}, {501, again}, {502, again}, {503, again}, {504, again},
	} {
		if got := judge(c.status, true); got != c.want {
			t.Errorf("judge(%d) = %v, want %v", c.status, got, c.want)
		}
	}
	if judge(429, true) != again || judge(429, false) != refused {
		t.Error("429 does not follow the config")
	}
}

// TestHeaders proves that custom headers arrive and none overrides the protocol.
func TestHeaders(t *testing.T) {
	custom := map[string]string{
		"x-scope-orgid": "tenant", "content-type": "text/plain", "Content-Encoding": "gzip", "USER-AGENT": "me",
		"x-prometheus-remote-write-version": "9", "Content-Length": "1", "Transfer-Encoding": "chunked", "Retry-Attempt": "7", "Host": "h",
	}
	var got http.Header
	var attempts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		attempts.Add(1)
		got = r.Header
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "payload" || r.ContentLength != 7 || r.Method != http.MethodPost {
			t.Errorf("%s with body %q of length %d, error %v", r.Method, body, r.ContentLength, err)
		}
	}))
	defer server.Close()
	cfg := EndpointConfig{URL: server.URL, Headers: custom, HTTPClient: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "u", Password: "p"}}}
	c := testClient(t, cfg)
	for attempt := range 2 {
		if a := c.post(t.Context(), &body{data: []byte("payload")}, attempt); a.verdict != delivered {
			t.Fatalf("answer %+v", a)
		}
		want := map[string]string{
			"X-Scope-Orgid": "tenant", "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "User-Agent": "skybridge/test",
			"X-Prometheus-Remote-Write-Version": "0.1.0", "Retry-Attempt": []string{"", "1"}[attempt], "Transfer-Encoding": "",
			"Authorization": "Basic dTpw",
		}
		for name, value := range want {
			if got.Get(name) != value {
				t.Errorf("attempt %d: %s is %q, want %q", attempt, name, got.Get(name), value)
			}
		}
	}
	if attempts.Load() != 2 {
		t.Errorf("%d requests", attempts.Load())
	}
}

func testClient(t *testing.T, cfg EndpointConfig) *client {
	t.Helper()
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	c, err := newClient(&cfg, "skybridge/test", secrets.New())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

// TestRedirects proves that a redirect is followed only where the config says so
// and the request stays a POST with its body; otherwise it is a retry.
func TestRedirects(t *testing.T) {
	for _, c := range []struct {
		status int
		follow bool
		want   verdict
	}{
		{307, true, delivered}, {308, true, delivered}, {301, true, again}, {302, true, again}, {303, true, again},
		{307, false, again}, {301, false, again},
	} {
		t.Run(fmt.Sprint(c.status, c.follow), func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.URL.Path == "/there" {
					if r.Method != http.MethodPost || string(body) != "payload" {
						t.Errorf("%s with body %q at the new place", r.Method, body)
					}
					return
				}
				http.Redirect(w, r, "/there", c.status)
			}))
			defer server.Close()
			client := testClient(t, EndpointConfig{URL: server.URL, HTTPClient: config.HTTPClientConfig{FollowRedirects: c.follow}})
			b := &body{data: []byte("payload")}
			if a := client.post(t.Context(), b, 0); a.verdict != c.want {
				t.Errorf("answer %+v", a)
			}
		})
	}
}

// TestWords proves that error texts are bounded, valid and without secrets.
func TestWords(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "out of order \xff "+strings.Repeat("x", 1<<20))
	}))
	a := testClient(t, EndpointConfig{URL: server.URL}).post(t.Context(), &body{}, 0)
	server.Close()
	if !strings.HasPrefix(a.words, "HTTP status 400 Bad Request: out of order \uFFFD xxx") || len(a.words) > 600 || a.verdict != refused {
		t.Errorf("answer %v, %d bytes: %.80q", a.verdict, len(a.words), a.words)
	}
	secret := &url.Error{Op: "Post", URL: "http://user:secret@host/?token=secret", Err: errors.New(strings.Repeat("é", 1000))}
	if words := peerWords(secrets.New(), withoutURL(secret).Error()); strings.Contains(words, "secret") || len(words) > maxReceiverWords {
		t.Errorf("words %q", words)
	}
}

// TestBodyIdle proves that a body is not reused while a transport reads it.
func TestBodyIdle(t *testing.T) {
	b := &body{data: []byte("payload")}
	first, second := b.open(), b.open()
	if got, err := io.ReadAll(first); err != nil || string(got) != "payload" {
		t.Errorf("read %q, error %v", got, err)
	}
	for range 2 {
		_ = first.Close()
	}
	if b.idle() {
		t.Error("idle with an open reader")
	}
	_ = second.Close()
	if !b.idle() {
		t.Error("not idle")
	}
	if _, err := second.Read(make([]byte, 1)); !errors.Is(err, errBodyClosed) {
		t.Errorf("read after close: %v", err)
	}
	w := &workspace{body: b}
	b.open()
	blk := wire.Block{Data: []byte{}}
	_, _ = w.build(request{block: &queue.Block{Block: blk}}, wire.V1)
	if w.body == b {
		t.Error("a body that is read was taken for the next request")
	}
}
