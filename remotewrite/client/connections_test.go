// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/internal/receiver"
)

// TestRenew proves that after Renew attempts use a new connection, with the credentials of
// before; and that the old connection is closed once the attempt that it carries has ended,
// not earlier: of HTTP/2, when it was idle for long enough.
func TestRenew(t *testing.T) {
	tokens := receiver.StartTokens(time.Hour)
	t.Cleanup(tokens.Close)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("pa55word"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		http config.HTTPClientConfig

		options []config.HTTPClientOption
	}{
		{"HTTP/1.1", config.HTTPClientConfig{OAuth2: &config.OAuth2{ClientID: "id", ClientSecret: "s", TokenURL: tokens.URL()}}, nil},
		{"HTTP/2.0", config.HTTPClientConfig{EnableHTTP2: true, BasicAuth: &config.BasicAuth{Username: "u", PasswordFile: password}},
			[]config.HTTPClientOption{config.WithIdleConnTimeout(2 * time.Second)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			hangs, release := make(chan struct{}), make(chan struct{})
			remotes, closed := make(chan string, 3), make(chan string, 2)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != c.name || r.Header.Get("Authorization") == "" {
					t.Errorf("%s with authorization %q", r.Proto, r.Header.Get("Authorization"))
				}
				remotes <- r.RemoteAddr
				if r.Header.Get("Retry-Attempt") != "" {
					close(hangs)
					<-release
				}
				w.WriteHeader(http.StatusNoContent)
			}))
			server.EnableHTTP2 = true
			server.Config.ConnState = func(conn net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					closed <- conn.RemoteAddr().String()
				}
			}
			server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
			server.StartTLS()
			defer server.Close()
			c.http.TLSConfig.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
			client := testClient(t, Config{URL: server.URL, HTTP: c.http}, c.options...)
			defer client.Close()

			first := attempt(t, client)
			ended := make(chan Answer, 1)
			go func() { ended <- client.Post(t.Context(), &Body{Data: []byte{0}}, 1) }()
			<-hangs
			client.Renew()
			if next := attempt(t, client); first.Verdict != Delivered || next.Verdict != Delivered {
				t.Fatalf("answers %+v and %+v", first, next)
			}
			old, same, moved := <-remotes, <-remotes, <-remotes
			if old != same || moved == old || len(closed) > 0 {
				t.Errorf("connections from %s, %s and %s, %d closed", old, same, moved, len(closed))
			}
			close(release)
			if a := <-ended; a.Verdict != Delivered {
				t.Errorf("answer %+v to the attempt of before", a)
			}
			late := time.After(patience)
			for got := ""; got != old; { // the new one of HTTP/2 is idle as well
				select {
				case got = <-closed:
				case <-late:
					t.Fatal("the old connection stays open")
				}
			}
		})
	}
	if n := tokens.Fetches(); n != 1 {
		t.Errorf("%d tokens were fetched", n)
	}
}
