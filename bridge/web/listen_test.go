// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/skydive-project/skybridge/internal/loopback"
	"github.com/skydive-project/skybridge/internal/rows"
)

// A port that another process has: the error says where and what to change.
func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := newRig(t, func(o *Options) { o.ListenAddresses = []string{taken.Addr().String()} })
	err = r.Listen()
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("error: %v", err)
	}
	for _, what := range []string{taken.Addr().String(), "in use", "web.listen_address", "--web.listen-address"} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%s is not named: %v", what, err)
		}
	}
	if r.Addr() != "" {
		t.Errorf("address %q", r.Addr())
	}
}

// Who else likes the default port is said where that is the port asked for.
func TestPortInUseNamesNodeExporter(t *testing.T) {
	for address, want := range map[string]bool{
		":9100": true, "127.0.0.1:9100": true, "[::1]:9100": true,
		"127.0.0.1:19100": false, "9100.example:80": false, "[::9100]:80": false, "9100": false,
	} {
		err := listenError(address, syscall.EADDRINUSE)
		if strings.Contains(err.Error(), "node_exporter") != want || !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestBadListenAddress(t *testing.T) {
	r := newRig(t, func(o *Options) { o.ListenAddresses = []string{"127.0.0.1:99999"} })
	if err := r.Listen(); err == nil || !strings.Contains(err.Error(), "web.listen_address") {
		t.Errorf("error: %v", err)
	}
}

// TestIrregularWebConfigFile proves that no file of the web configuration makes the
// start wait.
func TestIrregularWebConfigFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", "{cert_file: pipe, key_file: web.yml}", "{cert_file: web.yml, key_file: /dev/zero}", "{client_ca_file: pipe}"} {
		name := pipe
		if content != "" {
			name = webFile(t, dir, "tls_server_config: "+content)
		}
		r := newRig(t, func(o *Options) { o.ConfigFile = name })
		if err := r.Listen(); err == nil || !strings.Contains(err.Error(), "--web.config.file") || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("%s: error: %v", content, err)
		}
	}
}

func TestBadWebConfigFile(t *testing.T) {
	dir := t.TempDir()
	bad := func(file string, want error) {
		t.Helper()
		r := newRig(t, func(o *Options) { o.ConfigFile = file })
		if err := r.Listen(); err == nil || !strings.Contains(err.Error(), "--web.config.file") || want != nil && !errors.Is(err, want) {
			t.Errorf("error: %v", err)
		}
	}
	for _, content := range []string{"tls_server_config: {cert_file: absent.pem, key_file: absent.key}", "tls: 1", "basic_auth_users: {a: plain}"} {
		bad(webFile(t, dir, content), nil)
	}
	bad(filepath.Join(dir, "absent"), os.ErrNotExist)
}

// certificate writes one for 127.0.0.1, web.crt and web.key, to a directory of its own, and returns the web configuration that has it and a pool that trusts it.
func certificate(t *testing.T) (web string, pool *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	of := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(of.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"web.crt": {Type: "CERTIFICATE", Bytes: of.Certificate[0]},
		"web.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return fmt.Sprintf("tls_server_config: {cert_file: %[1]s/web.crt, key_file: %[1]s/web.key}\n", dir), pool
}

// TLS and users by exporter-toolkit's file over a real listener, HTTP/1.1 and 2, whose port
// is free again when Run has returned.
func TestTLSAndBasicAuth(t *testing.T) {
	certificates, pool := certificate(t)
	r, stop := listening(t, certificates+"http_server_config: {headers: {X-Frame-Options: sameorigin}}\n"+
		"basic_auth_users: {prometheus: '$2a$04$jwmtaGME4bmvJdKeusiPruYSppHJNxIkgQM5mY4BNZULZilNOcPK.'}\n", // correct horse
		func(o *Options) { o.Source = rows.Many(500) })
	for _, http2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: http2}
		client := &http.Client{Transport: transport}
		for _, tc := range []struct {
			user, password string
			status         int
		}{
			{"", "", 401},
			{"prometheus", "wrong", 401},
			{"no one", "correct horse", 401},
			{"prometheus", "correct horse", 200},
		} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.Addr()+"/metrics?collect[]=connections", nil)
			if err != nil {
				t.Fatal(err)
			}
			if tc.user != "" {
				req.SetBasicAuth(tc.user, tc.password)
			}
			answer, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			page, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode != tc.status || (answer.ProtoMajor == 2) != http2 {
				t.Fatalf("%s %s: status %d, HTTP/%d, %v", tc.user, tc.password, answer.StatusCode, answer.ProtoMajor, err)
			}
			if tc.status != 200 {
				continue
			}
			got, err := parse(page, answer.Header.Get("Content-Type"))
			if err != nil || len(got.samples) != 2500 {
				t.Errorf("%d series, %v", len(got.samples), err)
			}
			if answer.Header.Get("X-Frame-Options") != "sameorigin" || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("header: %v", answer.Header)
			}
		}
		transport.CloseIdleConnections()
	}

	plain, err := http.Get("http://" + r.Addr() + "/-/healthy")
	if err != nil {
		t.Fatal(err)
	}
	plain.Body.Close()
	if plain.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: status %d", plain.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	again, err := loopback.Listen(r.Addr())
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	again.Close()
}

// The flag without sockets is an error that says what to do.
func TestNoSystemdSocket(t *testing.T) {
	t.Setenv("LISTEN_PID", "")
	t.Setenv("LISTEN_FDS", "")
	r := newRig(t, func(o *Options) { o.SystemdSocket = true })
	if err := r.Listen(); err == nil || !strings.Contains(err.Error(), "--web.systemd-socket") {
		t.Errorf("error: %v", err)
	}
}

// TestSeveralAddresses proves that every address answers and is named, and that a Unix socket
// is gone at the end.
func TestSeveralAddresses(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "web.sock")
	r, stop := listening(t, "", func(o *Options) { o.ListenAddresses = []string{"127.0.0.1:0", "127.0.0.1:0", "unix:" + socket} })
	all := r.Addresses()
	if len(all) != 3 || all[2] != "unix://"+socket {
		t.Fatalf("addresses %q", all)
	}
	for _, address := range all {
		network := "tcp"
		if path, ok := strings.CutPrefix(address, "unix://"); ok {
			network, address = "unix", path
		}
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}}
		answer, err := (&http.Client{Transport: transport}).Get("http://x/-/healthy")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		transport.CloseIdleConnections()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", address, answer.StatusCode)
		}
	}
	stop()
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket remains: %v", err)
	}
}

// TestOneOfTheAddressesInUse proves that the start fails where any address is in use, names
// that one, and leaves the others free.
func TestOneOfTheAddressesInUse(t *testing.T) {
	free, socket := loopback.Address(), filepath.Join(t.TempDir(), "web.sock")
	for _, again := range []string{free, "unix://" + socket, ""} {
		r := newRig(t, func(o *Options) { o.ListenAddresses = []string{free, "unix:" + socket, again} })
		if err := r.Listen(); err == nil || !strings.Contains(err.Error(), strconv.Quote(again)) || again != "" && !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%q: error %v", again, err)
		}
		l, err := net.Listen("tcp", free)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket remains: %v", err)
		}
	}
}

// TestUnauthenticatedHealth proves that health needs no password where the operator chooses
// that, and everything else needs one in any case.
func TestUnauthenticatedHealth(t *testing.T) {
	certificates, pool := certificate(t)
	for _, open := range []bool{false, true} {
		for _, http2 := range []bool{false, true} {
			r, stop := listening(t, certificates+"basic_auth_users: {prometheus: '$2a$04$jwmtaGME4bmvJdKeusiPruYSppHJNxIkgQM5mY4BNZULZilNOcPK.'}\n",
				func(o *Options) { o.UnauthenticatedHealth, o.RoutePrefix = open, "/a" })
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: http2}
			for path, health := range map[string]bool{
				"/a/-/healthy": true, "/a/-/ready": true, "/a/-/ready?x=1": true,
				"/a/": false, "/a/metrics": false, "/a/api/v1/status": false, "/-/ready": false, "/a/-/ready/": false, "/a/-/ready/../../metrics": false,
			} {
				answer, err := (&http.Client{Transport: transport}).Get("https://" + r.Addr() + path)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				if want := map[bool]int{true: 200, false: 401}[open && health]; answer.StatusCode != want {
					t.Errorf("chosen %v, HTTP/%d, %s: status %d, want %d", open, answer.ProtoMajor, path, answer.StatusCode, want)
				}
			}
			transport.CloseIdleConnections()
			stop()
		}
	}
}
