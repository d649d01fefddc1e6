// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/internal/receiver"
)

// withToken is an endpoint that needs a token.
func withToken(url, tokenURL string) Config {
	return Config{URL: url, HTTP: config.HTTPClientConfig{OAuth2: &config.OAuth2{
		ClientID: "id", ClientSecret: "cl1ent/secret", TokenURL: tokenURL, EndpointParams: map[string]string{"password": "pa55word", "audience": "metrics"},
	}}}
}

// TestTokenEndpointsThatHang proves that an attempt ends with its timeout however a
// token endpoint fails to answer, says which one it was, and that the next one
// succeeds when it answers again.
func TestTokenEndpointsThatHang(t *testing.T) {
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // connections are made, and no one answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = deaf.Close() })
	hanging, trickling := receiver.StartTokens(time.Hour), receiver.StartTokens(time.Hour)
	t.Cleanup(hanging.Close)
	t.Cleanup(trickling.Close)
	hanging.SetFault(receiver.Fault{HangForever: true})
	trickling.SetFault(receiver.Fault{Status: 200, Trickle: true})
	for name, tokenURL := range map[string]string{
		"accepts and never answers": hanging.URL(), "trickles": trickling.URL(),
		"TLS that hangs": "https://" + deaf.Addr().String() + "/token", "plain HTTP that hangs": "http://" + deaf.Addr().String() + "/token",
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := accepting(t)
			cfg := withToken(url, tokenURL+"?key=S3CRET")
			cfg.Timeout = 50 * time.Millisecond
			client := testClient(t, cfg)
			for range 3 {
				a := attempt(t, client)
				if a.Verdict != Retry || !strings.Contains(a.Words, "oauth2.token_url: no token from "+tokenURL+"?<hidden>: ") {
					t.Errorf("answer %+v", a)
				}
			}
		})
	}
	hanging.SetFault(receiver.Fault{})
	url, seen := accepting(t)
	if a := attempt(t, testClient(t, withToken(url, hanging.URL()))); a.Verdict != Delivered {
		t.Errorf("answer %+v", a)
	}
	if h := <-seen; !strings.HasPrefix(h.Get("Authorization"), "Bearer t0ken-of-fetch-") {
		t.Errorf("headers %v", h)
	}
}

// TestOneFetchAtATime proves that requests share the fetch that is under way, can
// leave it, and use its token until it ends.
func TestOneFetchAtATime(t *testing.T) {
	tokens := receiver.StartTokens(time.Hour)
	t.Cleanup(tokens.Close)
	asked, answer := make(chan struct{}), make(chan struct{})
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{} // a second request finds no taker, and the test hangs
		<-answer
		tokens.ServeHTTP(w, r)
	}))
	t.Cleanup(gate.Close)
	url, _ := accepting(t)
	client := testClient(t, withToken(url, gate.URL))

	leaving, leave := context.WithCancel(t.Context())
	left := make(chan Verdict, 1)
	go func() { left <- client.Post(leaving, &Body{}, 0).Verdict }()
	<-asked
	leave()
	if v := <-left; v != Aborted {
		t.Errorf("verdict %v", v)
	}
	var posts sync.WaitGroup
	for range 10 {
		posts.Go(func() {
			if a := client.Post(t.Context(), &Body{Data: []byte("payload")}, 0); a.Verdict != Delivered {
				t.Errorf("answer %+v", a)
			}
		})
	}
	close(answer)
	posts.Wait()
	if n := tokens.Fetches(); n != 1 {
		t.Errorf("%d tokens were fetched", n)
	}
}

// TestFetchEndsWithItsClient proves that closing a client ends the fetch and what
// waits for it.
func TestFetchEndsWithItsClient(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		_ = r.ParseForm() // so that the server looks at the connection
		<-r.Context().Done()
		close(ended)
	}))
	t.Cleanup(server.Close)
	url, _ := accepting(t)
	cfg := withToken(url, server.URL)
	cfg.Timeout = time.Hour
	client := testClient(t, cfg)
	done := make(chan Answer, 1)
	go func() { done <- client.Post(t.Context(), &Body{}, 0) }()
	<-asked
	client.Close()
	<-ended
	if a := <-done; a.Verdict != Retry {
		t.Errorf("answer %+v", a)
	}
	if a := attempt(t, client); a.Verdict != Retry || !strings.Contains(a.Words, "other settings") {
		t.Errorf("answer %+v of a closed client", a)
	}
}

// TestTokenEndpointThatEchoes proves that neither the client's secret nor the
// parameters get into the words, however they were sent.
func TestTokenEndpointThatEchoes(t *testing.T) {
	tokens := receiver.StartTokens(time.Hour)
	t.Cleanup(tokens.Close)
	tokens.SetFault(receiver.Fault{Status: 400, Echo: true})
	url, _ := accepting(t)
	assertion := withToken(url, tokens.URL())
	assertion.HTTP.OAuth2.GrantType, assertion.HTTP.OAuth2.ClientCertificateKey = "urn:ietf:params:oauth:grant-type:jwt-bearer", config.Secret(rsaKey(t))
	for _, cfg := range []Config{withToken(url, tokens.URL()), assertion} {
		a := attempt(t, testClient(t, cfg))
		if a.Verdict != Retry || !strings.Contains(a.Words, "no token from "+tokens.URL()) {
			t.Errorf("answer %+v", a)
		}
		for _, secret := range []string{"cl1ent", "pa55word", "=metrics", "eyJ"} {
			if strings.Contains(a.Words, secret) {
				t.Errorf("%s is in %s", secret, a.Words)
			}
		}
	}
}

// TestTokenRequestsStayAtHome proves that the client's secret is not sent to
// another host, wherever its token endpoint points.
func TestTokenRequestsStayAtHome(t *testing.T) {
	tokens := receiver.StartTokens(time.Hour)
	t.Cleanup(tokens.Close)
	for host, fetches := range map[string]int{"localhost": 0, "127.0.0.1": 1} {
		before := tokens.Fetches()
		to := strings.Replace(tokens.URL(), "127.0.0.1", host, 1)
		first := httptest.NewServer(http.RedirectHandler(to, http.StatusTemporaryRedirect))
		t.Cleanup(first.Close)
		url, _ := accepting(t)
		a := attempt(t, testClient(t, withToken(url, first.URL)))
		if got := tokens.Fetches() - before; got != fetches || (a.Verdict == Delivered) != (fetches > 0) {
			t.Errorf("%s: %d requests, answer %+v", host, got, a)
		}
	}
}

// rsaKey makes a key for assertions.
func rsaKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// TestRefusedToken proves that a token which the receiver refuses, though it would be valid
// for an hour, is replaced at the next attempt.
func TestRefusedToken(t *testing.T) {
	tokens := receiver.StartTokens(time.Hour)
	t.Cleanup(tokens.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer "+receiver.TokenPrefix+"1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	client := testClient(t, withToken(server.URL, tokens.URL()))
	for _, want := range []Verdict{Refused, Delivered, Delivered} {
		if a := attempt(t, client); a.Verdict != want {
			t.Errorf("answer %+v, want %v", a, want)
		}
	}
	if n := tokens.Fetches(); n != 2 {
		t.Errorf("%d tokens were fetched", n)
	}
}
