// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

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
	"time"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/secrets"
)

// TestJudge proves the meaning of every kind of status code.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		status int
		want   Verdict
	}{
		{200, Delivered}, {202, Delivered}, {204, Delivered}, {299, Delivered},
		{300, Retry}, {301, Retry}, {307, Retry},
		{400, Refused}, {401, Refused}, {403, Refused}, {404, Refused}, {409, Refused}, {415, Refused}, {422, Refused},
		{408, Retry}, {425, Retry}, {413, TooLarge},
		{500, Retry}, {501, Retry}, {502, Retry}, {503, Retry}, {504, Retry},
	} {
		if got := judge(c.status, true); got != c.want {
			t.Errorf("judge(%d) = %v, want %v", c.status, got, c.want)
		}
	}
	if judge(429, true) != Retry || judge(429, false) != Refused {
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
	cfg := Config{URL: server.URL, Headers: custom, HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "u", Password: "p"}}}
	c := testClient(t, cfg)
	for attempt := range 2 {
		if a := c.Post(t.Context(), &Body{Data: []byte("payload")}, attempt); a.Verdict != Delivered {
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

func testClient(t *testing.T, cfg Config, opts ...config.HTTPClientOption) *Client {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	cfg.Agent = "skybridge/test"
	if err := cfg.HTTP.Validate(); err != nil { // which turns older keys into newer ones
		t.Fatal(err)
	}
	c, err := New(cfg, secrets.New(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestRedirects proves that a redirect is followed only where the config says so
// and the request stays a POST with its body; otherwise it is a retry.
func TestRedirects(t *testing.T) {
	for _, c := range []struct {
		status int
		follow bool
		want   Verdict
	}{
		{307, true, Delivered}, {308, true, Delivered}, {301, true, Retry}, {302, true, Retry}, {303, true, Retry},
		{307, false, Retry}, {301, false, Retry},
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
			client := testClient(t, Config{URL: server.URL, HTTP: config.HTTPClientConfig{FollowRedirects: c.follow}})
			b := &Body{Data: []byte("payload")}
			if a := client.Post(t.Context(), b, 0); a.Verdict != c.want {
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
	a := testClient(t, Config{URL: server.URL}).Post(t.Context(), &Body{}, 0)
	server.Close()
	if !strings.HasPrefix(a.Words, "HTTP status 400 Bad Request: out of order \uFFFD xxx") || len(a.Words) > 600 || a.Verdict != Refused {
		t.Errorf("answer %v, %d bytes: %.80q", a.Verdict, len(a.Words), a.Words)
	}
	secret := &url.Error{Op: "Post", URL: "http://user:secret@host/?token=secret", Err: errors.New(strings.Repeat("é", 1000))}
	if words := secrets.New().Quote(secrets.WithoutURL(secret).Error()); strings.Contains(words, "secret") || len(words) > 512+len("…") {
		t.Errorf("words %q", words)
	}
}

// TestBodyIdle proves that a body is not reused while a transport reads it.
func TestBodyIdle(t *testing.T) {
	b := &Body{Data: []byte("payload")}
	first, second := b.open(), b.open()
	if got, err := io.ReadAll(first); err != nil || string(got) != "payload" {
		t.Errorf("read %q, error %v", got, err)
	}
	for range 2 {
		_ = first.Close()
	}
	if b.Idle() {
		t.Error("idle with an open reader")
	}
	_ = second.Close()
	if !b.Idle() {
		t.Error("not idle")
	}
	if _, err := second.Read(make([]byte, 1)); !errors.Is(err, errBodyClosed) {
		t.Errorf("read after close: %v", err)
	}
}
