// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/secrets"
)

// patience ends a test that would hang.
const patience = 30 * time.Second

// attempt makes an attempt, which has to end by itself.
func attempt(t *testing.T, c *Client) Answer {
	t.Helper()
	done := make(chan Answer, 1)
	go func() { done <- c.Post(t.Context(), &Body{Data: []byte{0}}, 0) }()
	select {
	case a := <-done:
		return a
	case <-time.After(patience):
		t.Fatal("the attempt does not end")
		panic("unreachable")
	}
}

// accepting starts a receiver that stores everything and keeps the headers of the
// requests.
func accepting(t *testing.T) (url string, seen <-chan http.Header) {
	t.Helper()
	headers := make(chan http.Header, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		headers <- r.Header
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	return server.URL, headers
}

// TestFilesOfCredentials proves of every file that a client reads: what it holds
// now is used; and where a pipe, a device, a directory or nothing is in its place
// after the start, an attempt ends with an error that names file and key, and is
// made again.
func TestFilesOfCredentials(t *testing.T) {
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token": "t0ken", "expires_in": 1}`) // it is never valid for long enough
	}))
	t.Cleanup(tokens.Close)
	oauth := func(o config.OAuth2) config.HTTPClientConfig {
		o.ClientID, o.TokenURL = "id", tokens.URL
		return config.HTTPClientConfig{OAuth2: &o}
	}
	certificate, key := pair(t)
	for _, c := range []struct {
		key, text string
		cfg       func(file string) config.HTTPClientConfig
	}{
		{"basic_auth.username_file", "user", func(f string) config.HTTPClientConfig {
			return config.HTTPClientConfig{BasicAuth: &config.BasicAuth{UsernameFile: f, Password: "p"}}
		}},
		{"basic_auth.password_file", "pa55word", func(f string) config.HTTPClientConfig {
			return config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "u", PasswordFile: f}}
		}},
		{"authorization.credentials_file", "pa55word", func(f string) config.HTTPClientConfig {
			return config.HTTPClientConfig{Authorization: &config.Authorization{CredentialsFile: f}}
		}},
		{"authorization.credentials_file", "pa55word", func(f string) config.HTTPClientConfig {
			return config.HTTPClientConfig{BearerTokenFile: f}
		}},
		{"http_headers", "pa55word", func(f string) config.HTTPClientConfig {
			return config.HTTPClientConfig{HTTPHeaders: &config.Headers{Headers: map[string]config.Header{"X-Key": {Files: []string{f}}}}}
		}},
		{"oauth2.client_secret_file", "pa55word", func(f string) config.HTTPClientConfig { return oauth(config.OAuth2{ClientSecretFile: f}) }},
		{"oauth2.client_certificate_key_file", rsaKey(t), func(f string) config.HTTPClientConfig {
			return oauth(config.OAuth2{ClientCertificateKeyFile: f, GrantType: "urn:ietf:params:oauth:grant-type:jwt-bearer"})
		}},
		{"CA cert", certificate, func(f string) config.HTTPClientConfig {
			return oauth(config.OAuth2{ClientSecret: "s", TLSConfig: config.TLSConfig{CAFile: f}})
		}},
		{"CA cert", certificate, func(f string) config.HTTPClientConfig {
			return config.HTTPClientConfig{TLSConfig: config.TLSConfig{CAFile: f}}
		}},
		{"client cert", certificate, func(f string) config.HTTPClientConfig {
			return config.HTTPClientConfig{TLSConfig: config.TLSConfig{CertFile: f, Key: config.Secret(key)}}
		}},
		{"client key", key, func(f string) config.HTTPClientConfig {
			return config.HTTPClientConfig{TLSConfig: config.TLSConfig{Cert: certificate, KeyFile: f}}
		}},
	} {
		t.Run(c.key, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "file")
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(os.WriteFile(file, []byte(c.text+"\n"), 0o600))
			url, _ := accepting(t)
			client := testClient(t, Config{URL: url, HTTP: c.cfg(file)})
			if a := attempt(t, client); a.Verdict != Delivered {
				t.Fatalf("answer %+v", a)
			}
			for _, put := range []struct {
				what string
				put  func() error
			}{
				{"is not a regular file", func() error { return syscall.Mkfifo(file, 0o600) }},
				{"is not a regular file", func() error { return os.Symlink("/dev/zero", file) }},
				{"is a directory", func() error { return os.Mkdir(file, 0o700) }},
				{"no such file", func() error { return nil }},
				{"is larger than", func() error { return os.WriteFile(file, bytes.Repeat([]byte{'x'}, 1<<20+1), 0o600) }},
			} {
				must(os.RemoveAll(file))
				must(put.put())
				b := &Body{Data: []byte("payload")}
				a := client.Post(t.Context(), b, 0)
				if a.Verdict != Retry || !strings.Contains(a.Words, c.key) || !strings.Contains(a.Words, file) || !strings.Contains(a.Words, put.what) {
					t.Errorf("answer %+v, want %s", a, put.what)
				}
				if !b.Idle() {
					t.Error("the body is not given back")
				}
			}
			must(os.Remove(file))
			must(os.WriteFile(file, []byte(c.text), 0o600))
			if a := attempt(t, client); a.Verdict != Delivered {
				t.Errorf("answer %+v once the file is back", a)
			}
		})
	}
}

// pair makes a certificate and its key.
func pair(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return text("CERTIFICATE", der), text("EC PRIVATE KEY", secret)
}

// TestRedirectsTakeNoSecretsAlong proves that what is for the configured receiver
// goes to no other host, not even by way of several hops, and to the same host it
// does; the URL goes nowhere.
func TestRedirectsTakeNoSecretsAlong(t *testing.T) {
	for _, c := range []struct {
		name  string
		hosts []string // of the hops
		goes  bool
	}{
		{"to the same host", []string{"127.0.0.1"}, true},
		{"to another host", []string{"localhost"}, false},
		{"to another host and back", []string{"localhost", "127.0.0.1"}, false},
	} {
		for _, status := range []int{http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
			t.Run(fmt.Sprint(c.name, " with ", status), func(t *testing.T) {
				last := receiver.New(receiver.Config{})
				next, err := last.Start()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(last.Close)
				for _, host := range slices.Backward(c.hosts) {
					to, err := url.Parse(next)
					if err != nil {
						t.Fatal(err)
					}
					to.Host = host + ":" + to.Port()
					hop := receiver.New(receiver.Config{Fail: func(int, *http.Request) receiver.Fault { return receiver.Redirect(status, to.String()) }})
					if next, err = hop.Start(); err != nil {
						t.Fatal(err)
					}
					t.Cleanup(hop.Close)
				}
				a := testClient(t, Config{
					URL: next + "?token=t0ken", Headers: map[string]string{"X-Api-Key": "k3y", "X-Scope-OrgID": "tenant"},
					HTTP: config.HTTPClientConfig{
						FollowRedirects: true, BasicAuth: &config.BasicAuth{Username: "u", Password: "p"},
						HTTPHeaders: &config.Headers{Headers: map[string]config.Header{"X-Other": {Secrets: []config.Secret{"0ther"}}}},
					},
				}).Post(t.Context(), &Body{Data: []byte{0}}, 0)
				if a.Status/100 != 2 {
					t.Fatalf("answer %+v", a)
				}
				_, header := last.Last()
				for _, name := range []string{"X-Api-Key", "X-Scope-Orgid", "X-Other", "Authorization"} {
					if got := header.Get(name); (got != "") != c.goes {
						t.Errorf("%s is %q", name, got)
					}
				}
				if header.Get("Referer") != "" || header.Get("Content-Encoding") != "snappy" {
					t.Errorf("headers %v", header)
				}
			})
		}
	}
}

// TestRedirectWithoutTLS proves that a redirect that leaves TLS takes no secret
// along, on the same host either.
func TestRedirectWithoutTLS(t *testing.T) {
	url, seen := accepting(t)
	first := httptest.NewTLSServer(http.RedirectHandler(url, http.StatusTemporaryRedirect))
	t.Cleanup(first.Close)
	client := testClient(t, Config{
		URL: first.URL, Headers: map[string]string{"X-Api-Key": "k3y"},
		HTTP: config.HTTPClientConfig{
			FollowRedirects: true, BasicAuth: &config.BasicAuth{Username: "u", Password: "p"},
			TLSConfig: config.TLSConfig{CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: first.Certificate().Raw}))},
		},
	})
	if a := attempt(t, client); a.Verdict != Delivered {
		t.Fatalf("answer %+v", a)
	}
	if h := <-seen; h.Get("X-Api-Key") != "" || h.Get("Authorization") != "" {
		t.Errorf("headers %v", h)
	}
}

// TestEchoesAreHidden proves that an answer that repeats the request shows no
// secret of it, short ones included, also where the answer breaks off.
func TestEchoesAreHidden(t *testing.T) {
	for _, query := range []string{"sig=S3CRETINURL;v=1", "token=S3CRETINURL%zz", "S3CRETINURL", "token=S3CRETINURL&x=y"} {
		for _, fault := range []receiver.Fault{
			{Status: http.StatusForbidden, Echo: true},
			{Status: http.StatusForbidden, Body: "the key was S3CRET.IN.HEADER, the URL was " + query},
			{Status: http.StatusForbidden, Body: strings.Repeat(".", 512-3) + "S3CRET.IN.HEADER"},
			{Status: http.StatusForbidden, Body: strings.Repeat(".", secrets.MaxRead-6) + "S3CRET.IN.HEADER"},
			{Status: http.StatusForbidden, Body: "it breaks off in S3CRET.IN.", Header: http.Header{"Content-Length": {"100"}}},
		} {
			r := receiver.New(receiver.Config{Fail: func(int, *http.Request) receiver.Fault { return fault }})
			to, err := r.Start()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(r.Close)
			a := attempt(t, testClient(t, Config{
				URL: to + "?" + query, Headers: map[string]string{"X-Api-Key": "S3CRET.IN.HEADER", "X-Short": "q7", "X-Scope-OrgID": "network"},
				HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "user", Password: "pa55word"}},
			}))
			for _, secret := range []string{"S3C", "q7", "network", "pa55word", "dXNlcjpwYTU1d29yZA"} {
				if strings.Contains(a.Words, secret) {
					t.Errorf("%s is in %s", secret, a.Words)
				}
			}
			if a.Status != http.StatusForbidden || !strings.HasPrefix(a.Words, "HTTP status 403 Forbidden: ") {
				t.Errorf("answer %+v", a)
			}
		}
	}
}
