// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/internal/leaks"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/secrets"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

// TestTokenOverTLS proves that a token is fetched where tls_config of oauth2 names files:
// of a CA, and of a client's certificate and key.
func TestTokenOverTLS(t *testing.T) {
	tokens := receiver.StartTokens(time.Hour)
	defer tokens.Close()
	server := httptest.NewUnstartedServer(tokens)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	certificate := write("certificate", "CERTIFICATE", server.Certificate().Raw)
	c, err := New(&config.HTTPClientConfig{OAuth2: &config.OAuth2{
		ClientID: "id", ClientSecret: "s3cret", TokenURL: server.URL,
		TLSConfig: config.TLSConfig{CAFile: certificate, CertFile: certificate, KeyFile: write("key", "PRIVATE KEY", key)},
	}}, nil, time.Minute, secrets.New())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h := http.Header{}
	if err := c.Add(t.Context(), h); err != nil || h.Get("Authorization") != "Bearer "+receiver.TokenPrefix+"1" {
		t.Errorf("headers %v, error %v", h, err)
	}
}
