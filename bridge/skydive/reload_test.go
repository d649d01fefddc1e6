// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

func TestReload(t *testing.T) {
	a, b := startAnalyzer(t, analyzer.Config{}), startAnalyzer(t, analyzer.Config{})
	cfg := Config{Analyzers: []string{a.URL()}, HostID: "bridge", Account: user(t, "u", "old")}
	r := newRig(t, cfg)
	// Before Run it only changes what is to be run.
	if err := r.feed.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	r.run(t)
	r.waitUps(t, 1)

	reload := func(c Config) {
		t.Helper()
		if err := r.feed.Reload(c); err != nil {
			t.Fatal(err)
		}
	}
	// An invalid one changes nothing.
	if err := r.feed.Reload(Config{HostID: "bridge", Analyzers: []string{"http://x"}}); err == nil {
		t.Error("an invalid configuration was taken")
	}
	// Another analyzer, password, TLS and patience leave the connection alone.
	both := cfg
	both.Analyzers = []string{b.URL(), a.URL()}
	both.Account = user(t, "u", "new")
	both.SilenceTimeout = time.Hour
	reload(both)
	r.waitUps(t, 2)
	waitSubscribed(t, a, 1)
	waitSubscribed(t, b, 1)
	if a.Accepted() != 1 || b.Accepted() != 1 {
		t.Errorf("accepted %d and %d times", a.Accepted(), b.Accepted())
	}
	// Other captures need another subscription, made after the old one is left.
	captures := both
	captures.CaptureIDs = []string{"x"}
	reload(captures)
	r.waitUps(t, 4)
	waitSubscribed(t, a, 1)
	waitSubscribed(t, b, 1)
	if diff := cmp.Diff([]string{"flow/x", "stats"}, a.Namespaces()); diff != "" {
		t.Error(diff)
	}
	// Skydive closes a connection before it forgets the host id, so that the next
	// one can meet a 409 that is no fault of the bridge's.
	if got := r.reconnects(t, a, reasonConflict); got > 1 {
		t.Errorf("%v conflicts", got)
	}
	// The same captures in another order are the same.
	captures.CaptureIDs = []string{"x", "y"}
	reload(captures)
	r.waitUps(t, 6)
	waitSubscribed(t, a, 1)
	waitSubscribed(t, b, 1)
	captures.CaptureIDs = []string{"y", "x"}
	reload(captures)
	// One is taken away, with its metrics.
	one := captures
	one.Analyzers = []string{a.URL()}
	reload(one)
	waitSubscribed(t, b, 0)
	if got := r.metric(t, "skybridge_feed_connected", "analyzer", b.URL()); got != -1 {
		t.Errorf("still has a metric: %v", got)
	}
	if s := r.feed.Status(); len(s) != 1 || s[0].Analyzer != a.URL() || a.Accepted() != 3 {
		t.Errorf("status %+v, accepted %d times", s, a.Accepted())
	}
	r.stop()
	if err := r.feed.Reload(cfg); err == nil {
		t.Error("reloaded after its end")
	}
}
