// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/skydive-project/skybridge/bridge"
)

// bridgeConfig writes the configuration of a bridge into its directory: as shipped, with
// room for n connections, one feed, one receiver and, as many sites have, three external
// labels.
func bridgeConfig(s *spec) (file string, err error) {
	version := "prometheus.WriteRequest"
	if s.Version2 {
		version = "io.prometheus.write.v2.Request"
	}
	text := fmt.Sprintf(`global:
  push_interval: %s
  external_labels: {cluster: eu-west-1, env: production, replica: skybridge-0}
skydive:
  analyzers: [%q]
  silence_timeout: 1h
aggregation:
  max_series: %d
  max_flows: %d
remote_write:
  - url: %q
    protobuf_message: %s
    queue_config: {max_backoff: 200ms}
`, s.Interval, s.Feed, 6*s.Connections, 4*s.Connections, s.Receiver, version)
	file = filepath.Join(s.Dir, "skybridge.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write the bridge's configuration: %w", err)
	}
	return file, nil
}

// pushOurs is a whole bridge in this process, until it is stopped.
func (w *worker) pushOurs(ctx context.Context) (values, error) {
	file, err := bridgeConfig(&w.spec)
	if err != nil {
		return nil, err
	}
	m, begun := newMeter(w.Profile), make(chan struct{})
	// The beginning is not what is looked at: connections come but once.
	timer := time.AfterFunc(w.ProfileAfter, func() { m.begin(); close(begun) })
	err = bridge.Run(ctx, bridge.Options{
		ConfigFile: file, StoragePath: filepath.Join(w.Dir, "storage"), ListenAddress: "127.0.0.1:0",
		Logger: slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if !timer.Stop() {
		<-begun
		m.end()
	}
	if err != nil {
		return nil, err
	}
	return nil, m.err
}
