// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
)

// TestWaysToAuthenticate proves that Skydive's own server accepts what each of the settings
// makes the bridge send.
func TestWaysToAuthenticate(t *testing.T) {
	a := startAnalyzer(t, analyzer.Config{Users: map[string]string{"bridge": "s3cret"}})
	token := base64.StdEncoding.EncodeToString([]byte("bridge:s3cret"))
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, text+"\n")
		return path
	}
	basic := &config.BasicAuth{UsernameFile: file("user", "bridge"), PasswordFile: file("password", "s3cret")}
	header := func(name string, h config.Header) *config.Headers {
		return &config.Headers{Headers: map[string]config.Header{name: h}}
	}
	for name, c := range map[string]struct {
		settings access.Settings
		sent     string // a header
	}{
		"files":            {access.Settings{HTTP: config.HTTPClientConfig{BasicAuth: basic}}, "Authorization"},
		"login":            {access.Settings{HTTP: config.HTTPClientConfig{BasicAuth: basic}, Login: true}, "X-Auth-Token"},
		"authorization":    {access.Settings{HTTP: config.HTTPClientConfig{Authorization: &config.Authorization{Type: "Basic", CredentialsFile: file("token", token)}}}, "Authorization"},
		"a token's file":   {access.Settings{HTTP: config.HTTPClientConfig{HTTPHeaders: header("X-Auth-Token", config.Header{Files: []string{file("token", token)}})}}, "X-Auth-Token"},
		"Skydive's cookie": {access.Settings{Headers: map[string]string{"cookie": "authtoken=" + token}}, "Cookie"},
	} {
		t.Run(name, func(t *testing.T) {
			newRig(t, Config{Analyzers: []string{a.URL()}, HostID: name, Account: account(t, c.settings)}).run(t)
			waitSubscribed(t, a, 1)
			if h := a.Subscribers()[0].Header; h.Get(c.sent) == "" {
				t.Errorf("headers %v", h)
			}
		})
		await.Until(t, "the end of "+name, func() bool { return len(a.Subscribers()) == 0 })
	}
}

// TestGateByCookie proves that a proxy before the analyzer, which wants a cookie that its
// login gives, is passed; that a refused login is said without the password; and that a
// cookie which is refused, in any way that proxies do, is replaced by that of another login.
func TestGateByCookie(t *testing.T) {
	for _, refusal := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusFound} {
		t.Run(http.StatusText(refusal), func(t *testing.T) { passGate(t, refusal) })
	}
}

func passGate(t *testing.T, refusal int) {
	a := startAnalyzer(t, analyzer.Config{Users: map[string]string{"bridge": "s3cret"}})
	inner := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.Addr()})
	var key atomic.Pointer[string]
	key.Store(new("0ne-secret-key"))
	gate := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("gate")
		switch {
		case r.URL.Path == "/login":
			http.SetCookie(w, &http.Cookie{Name: "gate", Value: *key.Load()})
		case err != nil || cookie.Value != *key.Load():
			http.Error(w, r.Header.Get("Cookie"), refusal)
			return
		}
		inner.ServeHTTP(w, r)
	})
	password := filepath.Join(t.TempDir(), "password")
	write(t, password, "wr0ng")
	r := newRig(t, Config{Analyzers: []string{gate}, Account: account(t, access.Settings{Login: true,
		HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "bridge", PasswordFile: password}}})}, unhurried).run(t)
	r.logs.WaitFor(t, "log in at the analyzer (skydive.login): the analyzer refuses the credentials")
	write(t, password, "s3cret")
	waitSubscribed(t, a, 1)
	key.Store(new("an0ther-secret-key"))
	a.DropAll()
	r.logs.WaitFor(t, "HTTP "+strconv.Itoa(refusal))
	r.waitUps(t, 2)
	for _, secret := range []string{"wr0ng", "s3cret", "YnJpZGdl", "0ne-secret-key", "an0ther-secret-key"} {
		if strings.Contains(r.logs.String(), secret) {
			t.Errorf("%s is in the log:\n%s", secret, r.logs)
		}
	}
}

// TestCheckThroughProxy proves that an analyzer is asked in the way in which the feed reaches
// it: a proxy that forwards requests and makes no tunnels is not enough.
func TestCheckThroughProxy(t *testing.T) {
	a := startAnalyzer(t, analyzer.Config{})
	for name, tunnels := range map[string]bool{"tunnels": true, "forwards": false} {
		proxy := serve(t, func(w http.ResponseWriter, req *http.Request) {
			switch {
			case req.Method != http.MethodConnect:
				(&httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}}).ServeHTTP(w, req)
			case tunnels:
				tunnel(w, a.Addr())
			default:
				w.WriteHeader(http.StatusMethodNotAllowed)
			}
		})
		u, err := url.Parse("http" + strings.TrimPrefix(proxy, "ws"))
		if err != nil {
			t.Fatal(err)
		}
		through := access.Settings{HTTP: config.HTTPClientConfig{ProxyConfig: config.ProxyConfig{ProxyURL: config.URL{URL: u}}}}
		checked, err := Check(t.Context(), Config{Analyzers: []string{a.URL()}, HostID: "bridge", Account: account(t, through)})
		if err != nil {
			t.Fatal(err)
		}
		if errs := checked[0].Errs; tunnels != (len(errs) == 0) || !tunnels && !strings.Contains(errs[0].Error(), "it must allow CONNECT") {
			t.Errorf("%s: %+v", name, checked)
		}
	}
	if a.Accepted() != 0 {
		t.Error("it has subscribed")
	}
}

// tunnel answers CONNECT.
func tunnel(w http.ResponseWriter, address string) {
	inner, err := net.Dial("tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer inner.Close()
	w.WriteHeader(http.StatusOK)
	outer, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer outer.Close()
	go func() {
		_, _ = io.Copy(inner, outer)
		_ = inner.Close()
	}()
	_, _ = io.Copy(outer, inner)
}

// TestRotatedAuthority proves that a file of tls_config that has another authority now is
// read at the next connect, without a reload.
func TestRotatedAuthority(t *testing.T) {
	cert, trusting := certificate(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	former, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: former})))
	a := startAnalyzer(t, analyzer.Config{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	r := newRig(t, Config{Analyzers: []string{a.URL()}, Account: account(t, access.Settings{HTTP: config.HTTPClientConfig{TLSConfig: config.TLSConfig{CAFile: file}}})}).run(t)
	r.logs.WaitFor(t, "reason="+string(reasonTLS))
	write(t, file, trusting.CA)
	waitSubscribed(t, a, 1)
}

// write writes a file that only its owner reads.
func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
