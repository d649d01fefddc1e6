//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package real

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/loopback"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// TestOneSampleAnInterval proves that Debian's VictoriaMetrics, which keeps only the last
// sample of each push interval, has every byte that Debian's Prometheus has: connections
// begin, end and return, reloads rename every series, and a bridge without state is
// restarted. Up to there both have what the analyzer reported.
func TestOneSampleAnInterval(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	prometheus, victoria := startPrometheus(t), startVictoriaMetrics(t, "-dedup.minScrapeInterval=1s")
	a, err := analyzer.Start(analyzer.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	feed := judge.Feed{Analyzers: []*analyzer.Analyzer{a}, Reference: reference.New()}
	file := filepath.Join(t.TempDir(), "skybridge.yml")
	configure := func(site string) {
		text := fmt.Sprintf(`global: {push_interval: 1s, external_labels: {site: %s}}
skydive: {analyzers: ["%s"]}
aggregation: {connection_timeout: 1s}
remote_write: [{url: "%s/api/v1/write"}, {url: "%s/api/v1/write"}]
`, site, a.URL(), prometheus.url, victoria.url)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary := build(t)
	var bridge *server
	sums := func(receiver *server) map[string]uint64 { return receiver.sums(ctx, t, began) }
	// VictoriaMetrics makes samples visible about a second after it took them, those of a new
	// series up to 10 s later where the same was queried before: for so long it keeps which
	// series a selector has.
	compare := func(want map[string]uint64) {
		t.Helper()
		var diff string
		patience := time.Now().Add(time.Minute)
		err := await.Wait(ctx, func() (bool, string) {
			diff = judge.Diff(want, sums(victoria))
			return diff == "" || time.Now().After(patience), diff
		})
		if err != nil || diff != "" {
			t.Fatalf("VictoriaMetrics differs (%v):\n%s\n%s", err, diff, bridge.logs)
		}
	}
	launch := func() {
		address := loopback.Address()
		bridge = start(t, address, "/-/ready", binary, "--config.file="+file, "--web.listen-address="+address)
		feed.Sent = 0
	}
	wait := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%v\n%s", err, bridge.logs)
		}
	}
	configure("a")
	launch()
	wait(a.WaitSubscribers(ctx, 1))

	s := script.Write(script.Options{Seed: uint64(began.UnixNano()), Connections: 300, Steps: 24, Analyzers: 1, Now: began.UnixMilli()})
	for _, m := range s.Hello {
		feed.Send(m)
	}
	wait(feed.WaitReceived(ctx, bridge.url))
	for i, messages := range s.Steps {
		for _, m := range messages {
			feed.Send(m)
		}
		wait(feed.WaitReceived(ctx, bridge.url))
		if i%3 == 0 {
			wait(judge.WaitTicks(ctx, bridge.url, 1))
		}
		switch i {
		case 7, 8: // soon after the other as well
			configure(fmt.Sprint("b", i))
			if err := bridge.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
		case 15:
			bridge.terminate()
			compare(feed.Reference.Totals())
			launch()
			wait(a.WaitSubscribers(ctx, 1))
		}
	}
	wait(judge.WaitTicks(ctx, bridge.url, 4))
	bridge.terminate()
	compare(sums(prometheus))
}
