// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestBadConfigs(t *testing.T) {
	sound := Config{Analyzers: []string{"ws://h:1"}, HostID: "b"}
	for _, c := range []struct {
		name, want string
		change     func(*Config)
	}{
		{"no analyzer", "no analyzer", func(c *Config) { c.Analyzers = nil }},
		{"scheme", "ws:// or wss://", func(c *Config) { c.Analyzers = []string{"http://h"} }},
		{"no URL", "not a URL", func(c *Config) { c.Analyzers = []string{"ws://s3cret\x00"} }},
		{"no host", "no host", func(c *Config) { c.Analyzers = []string{"ws://:80"} }},
		{"user", "basic_auth", func(c *Config) { c.Analyzers = []string{"ws://u:s3cret@h"} }},
		{"fragment", "fragment", func(c *Config) { c.Analyzers = []string{"ws://h#x"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := sound
			c.change(&cfg)
			skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "s", Help: "h"}, []string{"reason"})
			_, err := NewFeed(cfg, nil, skipped, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v", err)
			}
		})
	}
}
