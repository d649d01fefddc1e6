// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/secrets"
)

// flowPath is where an analyzer serves its flows.
const flowPath = "/ws/subscriber/flow"

// defaultQueueBytes holds about 80,000 flows, some seconds of a busy feed.
const defaultQueueBytes = 64 << 20

// Sink takes what the analyzers say. Update and Stats are called from one
// goroutine, one after the other; what is passed to them is valid during the
// call only.
type Sink interface {
	Update(flows []aggregator.Flow)
	Stats(aggregator.CaptureStats)

	// AnalyzerUp says that an analyzer is subscribed, AnalyzerDown that it is
	// not. Down is also called once for each analyzer when it is first tried.
	// For one analyzer they come in order; otherwise from any goroutine.
	AnalyzerUp(analyzer string)
	AnalyzerDown(analyzer string)
	// AnalyzerGone says that a reload removed an analyzer.
	AnalyzerGone(analyzer string)
}

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

	Username string
	// Password is asked at each connect, so that a changed file needs no
	// reload. Nil means none.
	Password func() (string, error)
	// TLS is for wss; nil means the system's certificates.
	TLS *tls.Config
	// Secrets hides what analyzers repeat of our secrets, and gets to know them; nil
	// means a set of its own.
	Secrets *secrets.Set

	// SilenceTimeout is how long a feed may be quiet before it is reconnected;
	// 0 means a time learned from the feed.
	SilenceTimeout time.Duration
	// QueueBytes bounds the memory of undecoded messages; 0 means 64 MiB.
	QueueBytes int
}

// target is an analyzer's address in the two forms that are needed.
type target struct {
	name string // for labels, logs and the sink: without query, which can hold a token
	url  string // for dialing
}

// targets checks the configuration and returns its analyzers.
func (c *Config) targets() ([]target, error) {
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
	var out []target
	seen := make(map[string]bool, len(c.Analyzers))
	for i, raw := range c.Analyzers {
		t, err := parseTarget(raw)
		if err != nil {
			return nil, fmt.Errorf("skydive: analyzer %d: %w", i+1, err)
		}
		if seen[t.name] {
			return nil, fmt.Errorf("skydive: analyzer %s is there twice", t.name)
		}
		seen[t.name] = true
		out = append(out, t)
	}
	return out, nil
}

// parseTarget keeps the URL out of its errors: it may hold a password.
func parseTarget(raw string) (target, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return target{}, errors.New("not a URL")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return target{}, errors.New("the URL must begin with ws:// or wss://")
	case u.Host == "" || u.Hostname() == "":
		return target{}, errors.New("the URL has no host")
	case u.User != nil:
		return target{}, errors.New("the URL has user information; use the basic_auth keys")
	case u.Fragment != "":
		return target{}, errors.New("the URL has a fragment")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = flowPath
	}
	name, _, _ := strings.Cut(secrets.URL(u.String()), "?")
	return target{name: name, url: u.String()}, nil
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
// would make. Passwords and what is behind TLS callbacks are not compared: they
// are read at each connect, and what is connected has no need of them.
func (c *Config) sameConnection(o *Config) bool {
	return c.HostID == o.HostID && c.Username == o.Username &&
		slices.Equal(slices.Sorted(slices.Values(c.CaptureIDs)), slices.Sorted(slices.Values(o.CaptureIDs))) &&
		sameTLS(c.TLS, o.TLS)
}

func sameTLS(a, b *tls.Config) bool {
	if a == nil || b == nil {
		return a == b
	}
	if (a.RootCAs == nil) != (b.RootCAs == nil) || a.RootCAs != nil && !a.RootCAs.Equal(b.RootCAs) {
		return false
	}
	return a.ServerName == b.ServerName && a.InsecureSkipVerify == b.InsecureSkipVerify &&
		a.MinVersion == b.MinVersion && a.MaxVersion == b.MaxVersion &&
		slices.EqualFunc(a.Certificates, b.Certificates, func(x, y tls.Certificate) bool {
			return slices.EqualFunc(x.Certificate, y.Certificate, slices.Equal)
		})
}
