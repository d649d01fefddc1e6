// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/bridge"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/prom"
)

// The flags that say where something listens, as errors name them.
const (
	webFlag        = "web.listen-address"
	prometheusFlag = "prometheus.listen-address"
	feedFlag       = "feed.listen-address"
)

// retention keeps a demo that is left running from filling the disk.
const retention = 24 * time.Hour

// options of one demo.
type options struct {
	WebAddress, PrometheusAddress, FeedAddress string

	Analyzer      string // URL of a real one; empty: the made-up one
	PrometheusDir string
	PushInterval  time.Duration
	Traffic       trafficOptions
	// What tests add to the bridge's configuration, and where it keeps its state.
	Aggregation map[string]any
	StoragePath string
	Out         io.Writer
	Logger      *slog.Logger
}

// demonstrate starts the world from its end to its beginning, so that each part
// finds the one it sends to, and stops it in the order in which data flows:
// the bridge's last push still finds its Prometheus.
func demonstrate(ctx context.Context, o options) (err error) {
	spans := ranges{update: o.Traffic.Update, push: o.PushInterval}
	server, err := prom.Start(prom.Options{
		Dir: o.PrometheusDir, ListenAddress: o.PrometheusAddress, Retention: retention,
		Home: queryPage(guideQueries(spans)), Logger: o.Logger.With("part", "prometheus"),
	})
	if err != nil {
		return listenError(prometheusFlag, err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	where := places{Feed: o.Analyzer, Prometheus: server.URL(), Ranges: spans}

	// The feed, the bridge and what is printed end together, whichever ends first.
	ctx, stop := context.WithCancel(ctx)
	var playing sync.WaitGroup
	defer playing.Wait()
	defer stop()

	if o.Analyzer == "" {
		feed, err := analyzer.Start(analyzer.Config{Addr: o.FeedAddress, Logger: o.Logger.With("part", "feed")})
		if err != nil {
			return listenError(feedFlag, err)
		}
		defer feed.Stop()
		where.Feed, where.MadeUp, where.Seed = feed.URL(), true, o.Traffic.Seed
		playing.Go(func() { play(ctx, o.Traffic, feed) })
	}

	dir, err := os.MkdirTemp("", "skybridge-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the bridge's configuration: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	where.Config = filepath.Join(dir, "skybridge.yml")
	if err := writeConfig(where.Config, o, where.Feed, server.WriteURL()); err != nil {
		return err
	}
	listening := func(address string) {
		where.Bridge = "http://" + address
		if err := server.Scrape(scrapeConfig(address, o.PushInterval)); err != nil {
			o.Logger.Error("the bridge's own metrics are not scraped", "err", err)
		}
		playing.Go(func() { guide(ctx, o.Out, where, server.Client()) })
	}
	// By the same function as the skybridge command. Its error about a port in use names
	// --web.listen-address, which is called the same here.
	return bridge.Run(ctx, bridge.Options{ConfigFile: where.Config, StoragePath: o.StoragePath, Logger: o.Logger.With("part", "bridge"), Listening: listening})
}

// writeConfig writes the bridge's configuration: what a user would write, with
// everything that it leaves out at its default.
func writeConfig(path string, o options, feed, write string) error {
	type section = map[string]any
	written := section{
		"global":       section{"push_interval": o.PushInterval.String()},
		"skydive":      section{"analyzers": []string{feed}},
		"remote_write": []section{{"url": write}},
		"web":          section{"listen_address": o.WebAddress},
	}
	if len(o.Aggregation) > 0 {
		written["aggregation"] = o.Aggregation
	}
	data, err := yaml.Marshal(written)
	if err != nil {
		return fmt.Errorf("write the bridge's configuration: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("write the bridge's configuration: %w", err)
	}
	return nil
}

// scrapeConfig has the bridge's own metrics scraped, under the job that the alerts
// and dashboards in deploy/ ask for.
func scrapeConfig(address string, every time.Duration) string {
	return fmt.Sprintf(`scrape_configs:
  - job_name: skybridge
    scrape_interval: %[1]dms
    scrape_timeout: %[1]dms
    params: {"collect[]": [self]}
    static_configs:
      - targets: [%[2]q]
`, every.Milliseconds(), address)
}

// guide prints where to look and, when there are answers, what to ask.
func guide(ctx context.Context, out io.Writer, where places, client *prom.Client) {
	describe(out, where)
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			// An error can only be that the demo is about to end.
			found, _ := client.Query(ctx, "count(skydive_network_connection_total_bytes)", now)
			if len(found) > 0 && answered(ctx, where, client, now) {
				invite(out, where, int(found[0].Samples[0].Value()))
				return
			}
		}
	}
}

// answered says whether all queries on offer have an answer by now. What a real
// network has to say is not for us to wait for.
func answered(ctx context.Context, where places, client *prom.Client, now time.Time) bool {
	return !where.MadeUp || !slices.ContainsFunc(guideQueries(where.Ranges), func(q guideQuery) bool {
		found, _ := client.Query(ctx, q.Query, now) // as above
		return len(found) == 0
	})
}

// listenError names the flag that an address came from.
func listenError(flag string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("--%s: %w: choose a free port with this flag", flag, err)
	}
	return fmt.Errorf("--%s: %w", flag, err)
}
