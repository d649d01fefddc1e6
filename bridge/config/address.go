// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// subscriberPath is where an analyzer serves flows (skydive-feed.md).
const subscriberPath = "/ws/subscriber/flow"

const noCredentials = "remove them from the URL and use "

// analyzer returns the WebSocket URL of an analyzer that was written as URL or
// as host:port, path filled in; instead says where credentials belong.
func (r *reader) analyzer(it item, path, instead string) (string, bool) {
	const remedy = "write ws://host:8082, or wss:// where the analyzer has TLS"
	raw := strings.TrimSpace(it.text)
	if !strings.Contains(raw, "://") {
		if strings.ContainsAny(raw, "@/?#") {
			r.fail(it.line, path+" is neither a URL nor host:port", remedy)
			return "", false
		}
		host, _, err := net.SplitHostPort(raw)
		if err != nil || host == "" {
			r.fail(it.line, path+" needs host and port", remedy+"; an IPv6 address stands in [ ]")
			return "", false
		}
		raw = "ws://" + raw
	}
	u, ok := r.parseURL(raw, it.line, path, remedy)
	if !ok {
		return "", false
	}
	switch {
	case u.Scheme != "ws" && u.Scheme != "wss":
		r.fail(it.line, path+" must begin with ws:// or wss://", remedy)
		return "", false
	case u.User != nil || hasToken(u):
		r.fail(it.line, path+" contains credentials", noCredentials+instead)
		return "", false
	}
	u.Host = strings.ToLower(u.Host)
	if u.Path == "" || u.Path == "/" {
		u.Path, u.RawPath = subscriberPath, ""
	}
	return u.String(), true
}

// hasToken reports whether the query carries Skydive's token.
func hasToken(u *url.URL) bool {
	return strings.Contains(strings.ToLower(u.RawQuery), "auth-token")
}

// httpURL checks a URL of a receiver or of an OAuth2 server; instead says
// where credentials belong.
func (r *reader) httpURL(it item, path, instead string) bool {
	const remedy = "write http://host:port/path or https://…"
	u, ok := r.parseURL(it.text, it.line, path, remedy)
	if !ok {
		return false
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		r.fail(it.line, path+" must begin with http:// or https://", remedy)
		return false
	case u.User != nil:
		r.fail(it.line, path+" contains credentials", noCredentials+instead)
		return false
	}
	return true
}

// parseURL parses an absolute URL. It never quotes one: what did not parse may
// still contain a password.
func (r *reader) parseURL(raw string, line int, path, remedy string) (*url.URL, bool) {
	if variableInURL.MatchString(raw) {
		r.fail(line, path+" contains a variable, and environment variables are not expanded", "write the value itself; a $ that is meant is written %24")
		return nil, false
	}
	u, err := url.Parse(raw)
	if err != nil {
		r.fail(line, path+" is not a valid URL", remedy)
		return nil, false
	}
	if u.Scheme == "" || u.Hostname() == "" {
		r.fail(line, path+" has no scheme or no host", remedy)
		return nil, false
	}
	if port := u.Port(); port != "" && !validPort(port, 1) || strings.HasSuffix(u.Host, ":") {
		r.fail(line, path+" has a bad port", "write a port from 1 to 65535 after the host")
		return nil, false
	}
	if u.Fragment != "" || strings.Contains(raw, "#") {
		r.fail(line, path+" has a fragment", "remove # and what follows")
		return nil, false
	}
	return u, true
}

// validPort reports whether s is a port number of at least low.
func validPort(s string, low int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= low && n <= 65535 && s[0] != '+' && s[0] != '-'
}

// listenAddress checks host:port. Port 0 lets the system choose.
func (r *reader) listenAddress(it item, path string) bool {
	host, port, err := net.SplitHostPort(it.text)
	if err != nil || !validPort(port, 0) || strings.ContainsAny(host, " /@?#") {
		remedy := `write host:port, or ":9100" for every address of this machine`
		if validPort(it.text, 0) {
			remedy = `write ":` + it.text + `"`
		}
		r.fail(it.line, path+" must be host:port, it is "+quoted(it.text), remedy)
		return false
	}
	return true
}
