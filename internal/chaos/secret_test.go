// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"github.com/skydive-project/skybridge/internal/receiver"
)

// Secrets of the configuration, which no text of the bridge may show.
const (
	apiKey       = "key-7d1f0c52"
	clientSecret = "client-93ab4e6f"
	urlSecret    = "signature-2b6e9f04"
)

// leaked returns the secrets that stand in a text.
func leaked(text string) (found []string) {
	for _, secret := range []string{apiKey, clientSecret, receiver.TokenPrefix, urlSecret} {
		if strings.Contains(text, secret) {
			found = append(found, secret)
		}
	}
	return found
}

// requestText is a request as some proxies echo it.
func requestText(r *http.Request) string {
	text, err := httputil.DumpRequest(r, r.Header.Get("Content-Encoding") == "")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// otherHost is a host that requests are redirected to. It stores nothing, and notes
// what secrets it is sent.
type otherHost struct {
	server *httptest.Server

	mu       sync.Mutex
	requests int
	seen     []string
}

func newOtherHost(t *testing.T) *otherHost {
	s := &otherHost{}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

// url is that of another host than the receivers' 127.0.0.1.
func (s *otherHost) url() string {
	return strings.Replace(s.server.URL, "127.0.0.1", "localhost", 1) + "/elsewhere"
}

// ServeHTTP implements http.Handler.
func (s *otherHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	s.seen = append(s.seen, leaked(requestText(r))...)
	s.mu.Unlock()
	http.Error(w, "no receiver", http.StatusServiceUnavailable)
}
