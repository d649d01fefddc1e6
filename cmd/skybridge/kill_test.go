// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/loopback"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// TestKilledWhileTheReceiverIsDown kills the process without warning while the
// receiver is down. When both are back, the receiver has what the killed process
// had sampled, to the byte, and has refused nothing.
func TestKilledWhileTheReceiverIsDown(t *testing.T) {
	server, err := prom.Start(prom.Options{KeepLive: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	target, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	var up atomic.Bool
	proxy := httputil.NewSingleHostReverseProxy(target)
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(gate.Close)
	a := startAnalyzer(t)

	began, address := time.Now(), loopback.Address()
	file := write(t, "skybridge.yml", fmt.Sprintf("global: {push_interval: 1s}\nskydive: {analyzers: ['%s']}\nremote_write: [{name: one, url: '%s', queue_config: {max_backoff: 200ms}}]\n",
		a.URL(), gate.URL+strings.TrimPrefix(server.WriteURL(), server.URL())))
	args := []string{"--config.file=" + file, "--storage.path=" + t.TempDir(), "--web.listen-address=" + address}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	wait := func(ok func() (bool, string)) {
		t.Helper()
		if err := await.Wait(ctx, ok); err != nil {
			t.Fatal(err)
		}
	}
	first := command(t, args...)
	logged(t, first)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	if err := a.WaitSubscribers(ctx, 1); err != nil {
		t.Fatal(err)
	}
	feed := judge.Feed{Analyzers: []*analyzer.Analyzer{a}, Reference: reference.New()}
	story := script.Write(script.Options{Seed: 1, Connections: 300, Steps: 6, Analyzers: 1, Now: time.Now().UnixMilli()})
	for _, m := range story.Hello {
		feed.Send(m)
	}
	for _, messages := range story.Steps {
		for _, m := range messages {
			feed.Send(m)
		}
	}
	if err := feed.WaitReceived(ctx, "http://"+address); err != nil {
		t.Fatal(err)
	}
	ticks, err := await.Scrape(ctx, "http://"+address, "skybridge_ticks_total")
	if err != nil {
		t.Fatal(err)
	}
	wait(func() (bool, string) {
		now, err := await.Scrape(ctx, "http://"+address, "skybridge_ticks_total")
		return err == nil && now >= ticks+2, fmt.Sprint(now, err)
	})
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait() // killed

	up.Store(true)
	second := command(t, args...)
	logged(t, second)
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	wait(func() (bool, string) {
		series, err := server.RawSeries(ctx, judge.Selector, began.Add(-time.Minute), time.Now().Add(time.Minute))
		if err != nil {
			return false, err.Error()
		}
		diff := judge.Diff(feed.Reference.Totals(), judge.Sums(series))
		return diff == "", diff
	})
	if refused := server.Refused(); len(refused) > 0 {
		t.Errorf("%d requests were refused: %q", len(refused), refused)
	}
	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the second process ended with %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}
