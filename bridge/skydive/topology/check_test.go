// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

// TestCheckAtOnce proves that no analyzer's answer has to come before another is asked.
func TestCheckAtOnce(t *testing.T) {
	const analyzers = 3
	var asked atomic.Int32
	all := make(chan struct{})
	cfg := Config{Enabled: true, RefreshInterval: time.Minute, CacheSize: 1, Account: account(t, access.Settings{})}
	for range analyzers {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // so that the server looks at the connection
			if asked.Add(1) == analyzers {
				close(all)
			}
			select {
			case <-all:
			case <-r.Context().Done():
			}
			_, _ = io.WriteString(w, "[]")
		}))
		defer server.Close()
		cfg.Analyzers = append(cfg.Analyzers, strings.Replace(server.URL, "http", "ws", 1))
	}
	got, err := Check(t.Context(), cfg)
	if err != nil || len(got) != analyzers {
		t.Fatalf("%d answers, error %v", len(got), err)
	}
	for i, c := range got {
		if c.Err != nil || !strings.HasPrefix(c.Analyzer, cfg.Analyzers[i]) {
			t.Errorf("%+v of %s", c, cfg.Analyzers[i])
		}
	}
}
