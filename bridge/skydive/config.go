// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

// defaultQueueBytes holds about 80,000 flows, some seconds of a busy feed.
const defaultQueueBytes = 64 << 20

// Config says what to subscribe to, and how.
type Config struct {
	// Analyzers are ws:// or wss:// URLs. An empty path means
	// /ws/subscriber/flow.
	Analyzers []string
	// CaptureIDs restricts the feed to these captures; empty means all.
	CaptureIDs []string
	// HostID is what the bridge calls itself. It must stay the same over
	// restarts and be unlike any other subscriber's: the analyzer accepts each
	// id once.
	HostID string

	// Account is how the bridge authenticates. Without Secrets it gets a set of its own.
	Account access.Account

	// SilenceTimeout is how long a feed may be quiet before it is reconnected;
	// 0 means a time learned from the feed.
	SilenceTimeout time.Duration
	// QueueBytes bounds the memory of undecoded messages; 0 means 64 MiB.
	QueueBytes int
}

// targets checks the configuration and returns its analyzers.
func (c *Config) targets() ([]access.Target, error) {
	if len(c.Analyzers) == 0 {
		return nil, errors.New("skydive: no analyzer is configured")
	}
	if c.HostID == "" {
		return nil, errors.New("skydive: the host id is empty")
	}
	if hasControl(c.HostID) {
		return nil, fmt.Errorf("skydive: host id %q has control characters", c.HostID)
	}
	for _, id := range c.CaptureIDs {
		if id == "" || hasControl(id) {
			return nil, fmt.Errorf("skydive: capture id %q is empty or has control characters", id)
		}
	}
	if c.SilenceTimeout < 0 || c.QueueBytes < 0 {
		return nil, errors.New("skydive: silence timeout and queue size cannot be negative")
	}
	var out []access.Target
	seen := make(map[string]bool, len(c.Analyzers))
	for i, raw := range c.Analyzers {
		t, err := access.ParseTarget(raw)
		if err != nil {
			return nil, fmt.Errorf("skydive: analyzer %d: %w", i+1, err)
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("skydive: analyzer %s is there twice", t.Name)
		}
		seen[t.Name] = true
		out = append(out, t)
	}
	return out, nil
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// namespaces are what the bridge subscribes to. The wildcard that Skydive's own
// client asks for by default gets no data.
func (c *Config) namespaces() []string {
	var out []string
	for _, id := range c.CaptureIDs {
		out = append(out, "flow/"+id)
	}
	if len(out) == 0 {
		out = append(out, "flow")
	}
	return append(out, "stats")
}

// sameConnection reports whether a connection made under c is the one that o
// would make.
func (c *Config) sameConnection(o *Config) bool {
	return c.HostID == o.HostID && c.Account.Same(&o.Account) &&
		slices.Equal(slices.Sorted(slices.Values(c.CaptureIDs)), slices.Sorted(slices.Values(o.CaptureIDs)))
}

func (c *Config) queueBytes() int { return cmp.Or(c.QueueBytes, defaultQueueBytes) }
