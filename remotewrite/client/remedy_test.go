// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestCheckRemedy proves what a check says to change, and that a sender, which repeats the
// attempt, does not say it each time.
func TestCheckRemedy(t *testing.T) {
	answering := func(status int, text string) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}))
	}
	at := func(status int, text string) string {
		s := answering(status, text)
		t.Cleanup(s.Close)
		return s.URL
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client is gone
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	gone := answering(0, "")
	gone.Close()
	proxy, err := url.Parse(gone.URL)
	if err != nil {
		t.Fatal(err)
	}
	trusting := config.HTTPClientConfig{TLSConfig: config.TLSConfig{CA: authority(secure), ServerName: "another.example.org"}}
	for _, c := range []struct {
		name   string
		cfg    Config
		remedy string
	}{
		{"nothing listens", Config{URL: gone.URL}, "check host and port of url, and that the receiver runs"},
		{"no such host", Config{URL: "http://receiver.invalid/"}, "check the host in url"},
		{"unknown authority", Config{URL: secure.URL}, "set tls_config.ca_file"},
		{"another name", Config{URL: secure.URL, HTTP: trusting}, "tls_config.server_name"},
		{"HTTP in place of TLS", Config{URL: strings.Replace(at(404, ""), "http:", "https:", 1)}, "write http:// in url"},
		{"TLS in place of HTTP", Config{URL: strings.Replace(secure.URL, "https:", "http:", 1)}, "write https:// in url"},
		{"nginx' TLS in place of HTTP", Config{URL: at(400, "<html><center>The plain HTTP request was sent to HTTPS port</center></html>")}, "write https:// in url"},
		{"a proxy", Config{URL: at(404, ""), HTTP: config.HTTPClientConfig{ProxyConfig: config.ProxyConfig{ProxyURL: config.URL{URL: proxy}}}}, "check proxy_url"},
		{"no socket", Config{URL: "unix://" + filepath.Join(t.TempDir(), "none.sock") + ":/api/v1/write"}, "check the socket's path in url"},
		{"no answer", Config{URL: silent.URL, Timeout: 50 * time.Millisecond}, "a longer remote_timeout"},
		{"2.0 without confirmation", Config{URL: at(204, "")}, "set protobuf_message to auto or prometheus.WriteRequest"},
		{"400", Config{URL: at(400, "too old")}, "which is not retried"},
		{"409", Config{URL: at(409, "out of order")}, "which is not retried"},
		{"429", Config{URL: at(429, ""), RetryOn429: true}, "a rate limit: such requests are retried"},
		{"500", Config{URL: at(500, "")}, "such requests are retried; look at its log"},
		{"a file of credentials", Config{URL: gone.URL, HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "u", PasswordFile: "/nowhere"}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := testClient(t, c.cfg).Post(t.Context(), &Body{Version: wire.V2}, 0)
			if got := a.CheckRemedy(); !strings.Contains(got, c.remedy) || (got == "") != (c.remedy == "") {
				t.Errorf("%q for %s, want %q", got, a.Words, c.remedy)
			}
			if got := a.Remedy(); got != "" && !a.webPage {
				t.Errorf("a sender says %q", got)
			}
		})
	}
}

// authority is the certificate of a test server, which has signed itself.
func authority(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}
