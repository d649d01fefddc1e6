// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

// Config says what to subscribe to, and how. What goes into headers, HostID and
// CaptureIDs, was checked when the configuration file was read.
type Config struct {
	// Analyzers are ws:// or wss:// URLs, or names of several, dns+ws:// or dnssrv+ws://.
	// An empty path means /ws/subscriber/flow.
	Analyzers []string
	// Resolver looks names up; nil means the system's.
	Resolver access.Resolver
	// CaptureIDs restricts the feed to these captures; empty means all.
	CaptureIDs []string
	// HostID is what the bridge calls itself. It must stay the same over
	// restarts and be unlike any other subscriber's: the analyzer accepts each
	// id once.
	HostID string

	// Account is how the bridge authenticates.
	Account *access.Account

	// SilenceTimeout is how long a feed may be quiet before it is reconnected;
	// 0 means a time learned from the feed.
	SilenceTimeout time.Duration
}

// addresses checks the configuration and returns its analyzers.
func (c *Config) addresses() (*access.Addresses, error) {
	if len(c.Analyzers) == 0 {
		return nil, errors.New("skydive: no analyzer is configured")
	}
	a, err := access.NewAddresses(c.Analyzers, c.Resolver)
	if err != nil {
		return nil, fmt.Errorf("skydive: %w", err)
	}
	return a, nil
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
	return c.HostID == o.HostID && c.Account.Same(o.Account) &&
		slices.Equal(slices.Sorted(slices.Values(c.CaptureIDs)), slices.Sorted(slices.Values(o.CaptureIDs)))
}
