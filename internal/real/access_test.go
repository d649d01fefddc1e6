//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package real

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/loopback"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// write writes a file that only its owner reads.
func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startNginx runs Debian's nginx with TLS before an analyzer: it passes on what has the
// cookie that its login gives. The certificate is for 127.0.0.1.
func startNginx(t *testing.T, analyzer string) (url, authority string) {
	dir := t.TempDir()
	tls := httptest.NewTLSServer(nil)
	defer tls.Close()
	pair := tls.TLS.Certificates[0]
	authority = filepath.Join(dir, "ca.pem")
	write(t, authority, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})))
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "key.pem")
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	plain := loopback.Address()
	_, port, _ := net.SplitHostPort(loopback.Address())
	file := filepath.Join(dir, "nginx.conf")
	write(t, file, fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/pid;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  proxy_http_version 1.1;
  proxy_set_header Host $host;
  map $http_upgrade $hop { default upgrade; '' close; }
  server {
    listen %[2]s;
    return 200;
  }
  server {
    listen 127.0.0.1:%[3]s ssl;
    ssl_certificate %[4]s;
    ssl_certificate_key %[5]s;
    location = /login {
      proxy_pass http://%[6]s;
      add_header Set-Cookie "gate=a-secret-of-nginx; Path=/; HttpOnly";
    }
    location / {
      if ($cookie_gate != "a-secret-of-nginx") { return 401; }
      proxy_pass http://%[6]s;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $hop;
    }
  }
}
`, dir, plain, port, authority, key, analyzer))
	start(t, plain, "/", "nginx", "-e", "stderr", "-p", dir, "-c", file)
	return "wss://127.0.0.1:" + port, authority
}

// TestAccess proves with Debian's nginx before the analyzer and Debian's Prometheus as
// receiver, each with credentials of its own, that check-config --connect finds both in
// order; and that a password which is rotated at the receiver before the bridge has the
// new one costs not a byte.
func TestAccess(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	a, err := analyzer.Start(analyzer.Config{Users: map[string]string{"bridge": "s3cret"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	gate, authority := startNginx(t, a.Addr())
	dir := t.TempDir()
	users, password := filepath.Join(dir, "web.yml"), filepath.Join(dir, "password")
	write(t, users, "")
	prometheus := startPrometheus(t, "--web.config.file="+users)
	rotate := func(to string) {
		hash, err := bcrypt.GenerateFromPassword([]byte(to), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		write(t, users, fmt.Sprintf("basic_auth_users: {skybridge: %q}\n", hash))
	}
	rotate("first")
	write(t, password, "first")
	file := filepath.Join(dir, "skybridge.yml")
	write(t, file, fmt.Sprintf(`global: {push_interval: 1s}
skydive:
  analyzers: [%q]
  login: true
  basic_auth: {username: bridge, password: s3cret}
  tls_config: {ca_file: %s}
remote_write:
  - url: %s/api/v1/write
    basic_auth: {username: skybridge, password_file: %s}
`, gate, authority, prometheus.url, password))
	binary, address := build(t), loopback.Address()
	if out, err := exec.CommandContext(ctx, binary, "check-config", "--connect", file).CombinedOutput(); err != nil {
		t.Errorf("check-config: %v\n%s", err, out)
	}
	bridge := start(t, address, "/-/ready", binary, "--config.file="+file, "--web.listen-address="+address)
	feed := judge.Feed{Reference: reference.New(), Analyzers: []*analyzer.Analyzer{a}}
	s := script.Write(script.Options{Seed: uint64(began.UnixNano()), Connections: 50, Steps: 10, Now: began.UnixMilli()})
	play := func(steps ...[]script.Message) {
		for _, step := range steps {
			for _, m := range step {
				feed.Send(m)
			}
			if err := feed.WaitReceived(ctx, bridge.url); err != nil {
				t.Fatalf("%v\n%s", err, bridge.logs)
			}
		}
	}
	play(s.Hello)
	play(s.Steps[:5]...)
	if err := judge.WaitTicks(ctx, bridge.url, 2); err != nil {
		t.Fatalf("%v\n%s", err, bridge.logs)
	}
	rotate("second")
	bridge.logs.WaitFor(t, "receiver refuses samples, they are retried for 15 minutes")
	play(s.Steps[5:]...)
	write(t, password, "second")
	if err := judge.WaitTicks(ctx, bridge.url, 2); err != nil {
		t.Fatalf("%v\n%s", err, bridge.logs)
	}
	if n, err := await.Scrape(ctx, bridge.url, "prometheus_remote_storage_samples_failed_total"); err != nil || n != 0 {
		t.Errorf("%v samples failed (%v)", n, err)
	}
	bridge.terminate()
	write(t, users, "") // the judge has no account
	if diff := judge.Diff(feed.Reference.Totals(), prometheus.sums(ctx, t, began)); diff != "" {
		t.Errorf("the receiver differs from what was reported:\n%s", diff)
	}
}
