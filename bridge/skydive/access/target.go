// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package access is what speaking to an analyzer takes, whatever is asked of it: its
// address, credentials, TLS and a proxy, and what its refusals mean.
package access

import (
	"errors"
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
}

// ParseTarget reads a ws:// or wss:// URL; an empty path means [FlowPath]. The error
// does not quote the URL: it may hold a password.
func ParseTarget(raw string) (Target, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return Target{}, errors.New("not a URL")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return Target{}, errors.New("the URL must begin with ws:// or wss://")
	case u.Host == "" || u.Hostname() == "":
		return Target{}, errors.New("the URL has no host")
	case u.User != nil:
		return Target{}, errors.New("the URL has user information; use the basic_auth keys")
	case u.Fragment != "":
		return Target{}, errors.New("the URL has a fragment")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = FlowPath
	}
	name, _, _ := strings.Cut(secrets.URL(u.String()), "?")
	return Target{Name: name, URL: u.String()}, nil
}

// API is the URL of a part of the analyzer's API: what stands before the feed's path and
// behind its question mark stays.
func (t Target) API(path string) string {
	u, err := url.Parse(t.URL)
	if err != nil {
		return t.URL // it has been parsed before
	}
	u.Scheme = "http" + strings.TrimPrefix(u.Scheme, "ws")
	prefix, ok := strings.CutSuffix(u.Path, FlowPath)
	if !ok {
		prefix = ""
	}
	u.Path, u.RawPath = prefix+path, ""
	return u.String()
}
