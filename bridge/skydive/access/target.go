// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package access is what speaking to an analyzer takes, whatever is asked of it: its
// address, credentials, TLS and a proxy, and what its refusals mean.
package access

import (
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/skydive-project/skybridge/secrets"
)

// FlowPath is where an analyzer serves its flows.
const FlowPath = "/ws/subscriber/flow"

// ClientType is what the bridge is to the analyzer, which closes the
// connection where there is none (measured).
const ClientType = "skybridge"

// Target is an analyzer's address.
type Target struct {
	Name string // for labels, logs and the sink: without query, which can hold a token
	URL  string // of its flows
	Host string // whose address it is, for TLS and the Host header; "": it stands in the URL
	From string // the entry of the configuration, without query
}

// name is an entry of the configuration: an analyzer's URL, or one whose host stands for
// several analyzers.
type name struct {
	url      *url.URL
	lookedUp bool // dns+ws://, dns+wss://: each of the host's addresses is an analyzer
	services bool // dnssrv+ws://, dnssrv+wss://: the host has SRV records
}

// parseName reads an entry; an empty path means [FlowPath]. The error does not quote it:
// it may hold a password.
func parseName(raw string) (name, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return name{}, errors.New("not a URL")
	}
	n := name{url: u}
	if u.Scheme, n.services = strings.CutPrefix(u.Scheme, "dnssrv+"); !n.services {
		u.Scheme, n.lookedUp = strings.CutPrefix(u.Scheme, "dns+")
	}
	switch {
	case u.Scheme != "ws" && u.Scheme != "wss":
		return name{}, errors.New("the URL must begin with ws:// or wss://, dns+ or dnssrv+ before it")
	case u.Host == "" || u.Hostname() == "":
		return name{}, errors.New("the URL has no host")
	case u.User != nil:
		return name{}, errors.New("the URL has user information; use the basic_auth keys")
	case u.Fragment != "":
		return name{}, errors.New("the URL has a fragment")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = FlowPath
	}
	return n, nil
}

// target is the analyzer of a name at host:port, which is one of host's; "" is what stands
// in the URL.
func (n name) target(at, host string) Target {
	u := *n.url
	if at != "" {
		u.Host = at
	}
	shown, _, _ := strings.Cut(secrets.URL(u.String()), "?")
	return Target{shown, u.String(), host, n.String()}
}

// several reports whether the name is to be looked up.
func (n name) several() bool { return n.lookedUp || n.services }

// String is the entry without query.
func (n name) String() string {
	u := *n.url
	switch {
	case n.services:
		u.Scheme = "dnssrv+" + u.Scheme
	case n.lookedUp:
		u.Scheme = "dns+" + u.Scheme
	}
	shown, _, _ := strings.Cut(secrets.URL(u.String()), "?")
	return shown
}

// HostHeader is the header Host of a request, "" for that of the URL.
func (t Target) HostHeader() string {
	u, err := url.Parse(t.URL)
	if err != nil || t.Host == "" || u.Port() == "" {
		return t.Host
	}
	return net.JoinHostPort(t.Host, u.Port())
}

// HTTP is the URL of the feed for a request that is no WebSocket's.
func (t Target) HTTP() string { return "http" + strings.TrimPrefix(t.URL, "ws") }

// API is the URL of a part of the analyzer's API: what stands before the feed's path and
// behind its question mark stays.
func (t Target) API(path string) string {
	u, err := url.Parse(t.HTTP())
	if err != nil {
		return t.URL // it has been parsed before
	}
	prefix, ok := strings.CutSuffix(u.Path, FlowPath)
	if !ok {
		prefix = ""
	}
	u.Path, u.RawPath = prefix+path, ""
	return u.String()
}
