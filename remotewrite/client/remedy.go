// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
)

const usualPaths = "which is /api/v1/write of Prometheus and VictoriaMetrics, /api/v1/receive of Thanos, /api/v1/push of Cortex and Mimir"

// A remedy is what usually helps against an attempt without success.
type remedy struct {
	is    func(a *Answer) bool
	words string
	// check: only a check says it. The log of a sender that repeats an attempt would be full
	// of it, or says by itself that it repeats it.
	check bool
}

// remedies returns what is known to help. The first that fits counts.
func remedies() []remedy {
	status := func(codes ...int) func(*Answer) bool {
		return func(a *Answer) bool { return slices.Contains(codes, a.Status) }
	}
	failed := func(is func(error) bool) func(*Answer) bool {
		return func(a *Answer) bool { return a.err != nil && is(a.err) }
	}
	said := func(parts ...string) func(*Answer) bool {
		return func(a *Answer) bool {
			return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(a.Words, p) })
		}
	}
	return []remedy{
		{status(http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect),
			"write the address that it redirects to in url", false},
		{status(http.StatusUnauthorized), "check the credentials: basic_auth, authorization or oauth2", false},
		{status(http.StatusForbidden), "check what the credentials are allowed to, and the tenant's header", false},
		{status(http.StatusNotFound), "check the path of url, " + usualPaths + "; Prometheus must run with --web.enable-remote-write-receiver", false},
		{status(http.StatusMethodNotAllowed), "nothing takes samples at this url: check its host, its port, and its path, " + usualPaths, false},
		{status(http.StatusProxyAuthRequired), "check the credentials in proxy_url", false},
		{status(http.StatusRequestEntityTooLarge), "a single sample is too large: raise the limit of the receiver, or of a proxy before it", false},
		{status(http.StatusUnsupportedMediaType), "set protobuf_message to auto, or to the version that the receiver speaks", false},

		// In the words of Go's and nginx' servers, and a TLS alert.
		{said("HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port", `malformed HTTP response "\x15\x03`),
			"there is TLS at this port: write https:// in url", true},
		{func(a *Answer) bool { return a.webPage }, "a web page answered, not a receiver: check url, and what stands before the receiver", false},

		{failed(ofOp(func(o *net.OpError) bool { return o.Op == "proxyconnect" })), "it is the proxy that cannot be used: check proxy_url, or HTTP_PROXY and HTTPS_PROXY", true},
		{failed(ofOp(func(o *net.OpError) bool { return o.Net == "unix" })), "check the socket's path in url, that the receiver runs, and that the bridge may write to the socket", true},
		{failed(func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }), "nothing listens there: check host and port of url, and that the receiver runs", true},
		{failed(is[*net.DNSError]), "check the host in url, and the name server", true},
		{failed(is[x509.UnknownAuthorityError]), "set tls_config.ca_file to the authority that has signed the receiver's certificate", true},
		{failed(is[x509.HostnameError]), "write a name of the certificate in url, or in tls_config.server_name", true},
		{failed(func(err error) bool { return errors.Is(err, http.ErrSchemeMismatch) }), "there is no TLS at this port: write http:// in url", true},
		{failed(func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }),
			"check host and port of url, and what is on the way, such as a firewall; a slow receiver needs a longer remote_timeout", true},

		{func(a *Answer) bool { return a.Verdict == NotV2 && !a.SpeaksV2 },
			"it does not speak 2.0, so that every sample would be lost: set protobuf_message to auto or prometheus.WriteRequest", true},
		{status(http.StatusTooManyRequests), "a rate limit: such requests are retried, but raise the limit if they last", true},
		{func(a *Answer) bool { return a.Status/100 == 5 }, "the receiver, or what it needs, fails: such requests are retried; look at its log", true},
		{status(http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity),
			"it refuses what it is sent, which is not retried: see its own words, and its log", true},
	}
}

// is reports whether an error is, or wraps, an E.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// ofOp is whether an error is one of an operation on a network that has is.
func ofOp(has func(*net.OpError) bool) func(error) bool {
	return func(err error) bool {
		o, ok := errors.AsType[*net.OpError](err)
		return ok && has(o)
	}
}

// Remedy says what usually helps against an answer with an error, "" where only the
// receiver's own words do.
func (a *Answer) Remedy() string { return a.remedy(false) }

// CheckRemedy is Remedy for a check, which asks once and says more.
func (a *Answer) CheckRemedy() string { return a.remedy(true) }

func (a *Answer) remedy(check bool) string {
	for _, r := range remedies() {
		if (check || !r.check) && r.is(a) {
			return r.words
		}
	}
	return ""
}

// RemedyAttr is the remedy for a log line, which has none where none is known.
func (a *Answer) RemedyAttr() slog.Attr {
	if r := a.Remedy(); r != "" {
		return slog.String("remedy", r)
	}
	return slog.Attr{}
}

// NothingStored says whether a final answer is surely not about the samples: what gave
// it has not looked at them. 400, 409 and 422 are what receivers answer that may
// have stored some.
func (a *Answer) NothingStored() bool {
	switch a.Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		return false
	}
	return a.Status/100 == 4 && !a.SpeaksV2
}
