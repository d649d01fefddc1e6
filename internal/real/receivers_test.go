//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package real

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// TestReceivers plays one feed to the real binary, which pushes it to Debian's
// Prometheus and to Debian's VictoriaMetrics at once. What their query APIs
// give back equals what the analyzers reported, to the byte, although neither
// knows remote-write 2.0: that is found out, of each in its own way.
func TestReceivers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	prometheus, victoria := startPrometheus(t), startVictoriaMetrics(t)
	feed := judge.Feed{Reference: reference.New()}
	for range 2 {
		a, err := analyzer.Start(analyzer.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Stop)
		feed.Analyzers = append(feed.Analyzers, a)
	}
	file := filepath.Join(t.TempDir(), "skybridge.yml")
	text := fmt.Sprintf(`global: {push_interval: 1s}
skydive: {analyzers: ["%s", "%s"]}
aggregation: {connection_timeout: 1s}
remote_write:
  - url: %s/api/v1/write
  - url: %s/api/v1/write
`, feed.Analyzers[0].URL(), feed.Analyzers[1].URL(), prometheus.url, victoria.url)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := loopback.Address()
	bridge := start(t, address, "/-/ready", build(t), "--config.file="+file, "--web.listen-address="+address)
	for _, a := range feed.Analyzers {
		if err := a.WaitSubscribers(ctx, 1); err != nil {
			t.Fatal(err)
		}
	}

	seed := uint64(began.UnixNano())
	t.Logf("seed %d", seed)
	s := script.Write(script.Options{Seed: seed, Connections: 500, Steps: 20, Analyzers: 2, Now: began.UnixMilli()})
	for _, m := range s.Hello {
		feed.Send(m)
	}
	received := func() {
		if err := feed.WaitReceived(ctx, bridge.url); err != nil {
			t.Fatalf("%v\n%s", err, bridge.logs)
		}
	}
	received()
	for i, messages := range s.Steps {
		for _, m := range messages {
			feed.Send(m)
		}
		if i%5 == 0 {
			received()
			if err := judge.WaitTicks(ctx, bridge.url, 2); err != nil {
				t.Fatalf("%v\n%s", err, bridge.logs)
			}
		}
	}
	received()
	// Neither knows 2.0, and VictoriaMetrics answers it as if it did.
	if version, err := await.Scrape(ctx, bridge.url, "skybridge_remote_write_version"); err != nil || version != 2*1 {
		t.Errorf("sum of versions %v (%v), want 1 for each", version, err)
	}
	for _, refused := range []string{"samples_failed_total", "samples_dropped_total", "metadata_failed_total"} {
		if n, err := await.Scrape(ctx, bridge.url, "prometheus_remote_storage_"+refused); err != nil || n != 0 {
			t.Errorf("%s is %v (%v), want 0", refused, n, err)
		}
	}
	if n, err := await.Scrape(ctx, bridge.url, "prometheus_remote_storage_metadata_total"); err != nil || n == 0 {
		t.Errorf("no metadata was sent: %v (%v)", n, err)
	}
	bridge.terminate()
	for _, receiver := range []*server{prometheus, victoria} {
		found := `url=` + receiver.url + `/api/v1/write version=1.0 answer_to_2.0=`
		if n := strings.Count(bridge.logs.String(), found); n != 1 {
			t.Errorf("%d lines say %s\n%s", n, found, bridge.logs)
		}
	}
	if code := bridge.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d after SIGTERM\n%s", code, bridge.logs)
	}

	want, stopped := feed.Reference.Totals(), time.Now()
	for name, receiver := range map[string]*server{"prometheus": prometheus, "victoria-metrics": victoria} {
		client := prom.NewClient(receiver.url)
		defer client.Close()
		// VictoriaMetrics makes samples visible about a second after it took them.
		var diff string
		err := await.Wait(ctx, func() (bool, string) {
			series, err := client.RawSeries(ctx, judge.Selector, began.Add(-time.Minute), time.Now().Add(time.Minute))
			if err != nil {
				return false, err.Error()
			}
			diff = judge.Diff(want, judge.Sums(series))
			return diff == "" || time.Since(stopped) > 2*time.Minute, diff
		})
		if err != nil || diff != "" {
			t.Errorf("%s differs from what was reported (%v):\n%s\n%s", name, err, diff, bridge.logs)
		}
	}
}
