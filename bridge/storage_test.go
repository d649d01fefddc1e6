// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
)

// gate stands before the Prometheus; while it is shut, nothing answers.
func (r *rig) gate() (open *atomic.Bool, address string) {
	open = new(atomic.Bool)
	target, err := url.Parse(r.prom.URL())
	if err != nil {
		r.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !open.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, req)
	}))
	r.t.Cleanup(server.Close)
	return open, server.URL + strings.TrimPrefix(r.prom.WriteURL(), r.prom.URL())
}

// TestBacklogSurvivesARestart stops the bridge while the receiver is down. When
// both are back, what the first bridge had sampled is there to the byte, in order
// and before the second one's, and nothing was refused.
func TestBacklogSurvivesARestart(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.dir = filepath.Join(t.TempDir(), "state")
	open, address := r.gate()
	r.configure("", fmt.Sprintf("remote_write: [{name: one, url: '%s', queue_config: {max_backoff: 100ms}}]\n", address))
	r.start()
	r.awaitTicks(2) // counters begin from here on
	r.send(recording(t, "skydive/testdata/session-mixed.jsonl")...)
	r.awaitReceived()
	r.halt()
	if got := r.raw(); len(got) > 0 {
		t.Fatalf("the receiver has %d series while it is down", len(got))
	}
	if text := fmt.Sprint(r.logs); !strings.Contains(text, "will be pushed when it starts again") || strings.Contains(text, "is lost") {
		t.Errorf("the stop does not say what becomes of the rest:\n%s", text)
	}

	open.Store(true)
	r.start()
	r.await(func() (bool, string) {
		diff := judge.Diff(r.Reference.Totals(), judge.Sums(r.raw()))
		return diff == "", diff
	})
	r.awaitTicks(2)
	r.halt()
	r.judgeExact()
	for name, mode := range map[string]os.FileMode{"": 0o700, "lock": 0o600, "log": 0o700, "log/cursors": 0o600} {
		info, err := os.Stat(filepath.Join(r.dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%q has mode %v (%v), want %v", name, info.Mode(), err, mode)
		}
	}
}

// TestStorageIsUsedByOneBridge proves that a second bridge on a directory is an
// error that says so.
func TestStorageIsUsedByOneBridge(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.dir = t.TempDir()
	r.configure("", "")
	r.start()
	second := Options{ConfigFile: r.config, ListenAddresses: []string{"127.0.0.1:0"}, StoragePath: r.dir, Logger: slog.New(slog.DiscardHandler)}
	if err := Run(context.Background(), second); err == nil || !strings.Contains(err.Error(), "is used by another process") {
		t.Errorf("two bridges on one directory: %v", err)
	}
	r.halt()
}
