// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/unixsocket"
)

// TestUnixSocket proves that a receiver's Unix socket gets the path and query of its URL, that
// a redirect does not lead away from it, and that no text shows the query.
func TestUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "x.sock")
	l, err := unixsocket.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	var redirect string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/api/v1/write?token=pa55word" || r.Host != "localhost" {
			t.Errorf("%s of %s", r.URL.RequestURI(), r.Host)
		}
		if redirect != "" {
			http.Redirect(w, r, redirect, http.StatusTemporaryRedirect)
		}
	}))
	server.Listener.Close()
	server.Listener = l
	server.Start()
	cfg := Config{URL: "unix://" + socket + ":/api/v1/write?token=pa55word", HTTP: config.HTTPClientConfig{FollowRedirects: true}}
	c := testClient(t, cfg)
	if a := c.Post(t.Context(), &Body{}, 0); a.Verdict != Delivered {
		t.Errorf("answer %+v", a)
	}
	for _, redirect = range []string{"http://127.0.0.1:9/", "https://localhost/api/v1/write"} {
		if a := c.Post(t.Context(), &Body{}, 0); a.Verdict != Retry || !strings.Contains(a.Words, "leads away") {
			t.Errorf("redirected to %s: answer %+v", redirect, a)
		}
	}
	server.Close()
	if a := c.Post(t.Context(), &Body{}, 0); a.Verdict != Retry || !strings.Contains(a.Words, socket) || strings.Contains(a.Words, "pa55word") {
		t.Errorf("without a receiver: answer %+v", a)
	}
}
