// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/skydive-project/skybridge/secrets"
)

// topologyTimeout bounds one question to an analyzer, answer included.
const topologyTimeout = 15 * time.Second

// topologyPath is where an analyzer answers questions about the topology.
const topologyPath = "/api/topology"

// The questions. What has a TID can be captured on; interfaces are among it.
// ValueMap keeps the answer to a tenth of its size (measured: 2.4 of 19 kB).
const (
	queryNodes  = "G.V().HasKey('TID')"
	nodesValues = ".ValueMap('@ID','@Host','@CreatedAt','@Revision','TID','Name','Type','EncapType','IPV4','IPV6','Metric','Captures'," +
		"'Libvirt.Domain','ExtID.vm-uuid','Neutron.IPV4','Neutron.IPV6')"
	queryHolders  = "G.V().Has('Type', Within('container','pod'))"
	holdersValues = ".ValueMap('@ID','@Host','@CreatedAt','@Revision','Type','Name'," +
		"'K8s.Namespace','K8s.IP','K8s.Extra.Status.HostIP','Container.Hosts.IP')"
	// What is in the network namespaces that have containers.
	queryEdges = "G.V().Has('Type','container').In('Type','netns').Dedup().OutE('RelationType','ownership')"
)

// result says how a question to the topology ended. The set is closed, for it is
// a label value.
type result string

const (
	resultOK           result = "ok"
	resultCredentials  result = "credentials" // our own could not be read
	resultUnauthorized result = "unauthorized"
	resultHTTP         result = "http_status" // any other than 200
	resultUnreachable  result = "unreachable"
	resultTimeout      result = "timeout"
	resultTLS          result = "tls"
	resultTooLarge     result = "too_large"
	resultMalformed    result = "malformed"
)

func results() []result {
	return []result{
		resultOK, resultCredentials, resultUnauthorized, resultHTTP, resultUnreachable, resultTimeout,
		resultTLS, resultTooLarge, resultMalformed,
	}
}

// topologyError is an error with the result it stands for.
type topologyError struct {
	result result
	status int // of HTTP, 0: none
	err    error
}

func (e *topologyError) Error() string { return e.err.Error() }

// topologyURL is the topology's address on the analyzer whose feed that is: what
// stands before the feed's path and behind its question mark stays.
func topologyURL(feed string) string {
	u, err := url.Parse(feed)
	if err != nil {
		return feed // targets have been parsed before
	}
	u.Scheme = "http" + strings.TrimPrefix(u.Scheme, "ws")
	prefix, ok := strings.CutSuffix(u.Path, flowPath)
	if !ok {
		prefix = ""
	}
	u.Path, u.RawPath = prefix+topologyPath, ""
	return u.String()
}

// newTopologyHTTP makes the client for questions. Redirects are not followed: the
// credentials are for the analyzer alone.
func newTopologyHTTP(config *tls.Config, proxy proxyFunc, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  proxy,
			DialContext:            (&net.Dialer{Timeout: handshakeTimeout}).DialContext,
			TLSClientConfig:        config.Clone(),
			TLSHandshakeTimeout:    handshakeTimeout,
			IdleConnTimeout:        90 * time.Second,
			MaxIdleConnsPerHost:    1,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// ask puts one question and has decode read the answer.
func ask(ctx context.Context, client *http.Client, cfg *TopologyConfig, to target, query string, decode func(io.Reader) error) *topologyError {
	cfg.Secrets.Add(secrets.OfURL(to.url)...)
	body, err := json.Marshal(struct{ GremlinQuery string }{query})
	if err != nil {
		return &topologyError{resultMalformed, 0, err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, topologyURL(to.url), bytes.NewReader(body))
	if err != nil {
		return &topologyError{resultUnreachable, 0, errors.New("the analyzer's URL cannot be used for the topology")}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", clientType)
	if cfg.Username != "" {
		password := ""
		if cfg.Password != nil {
			if password, err = cfg.Password(); err != nil {
				return &topologyError{resultCredentials, 0, fmt.Errorf("read the password (skydive.basic_auth.password_file): %w", err)}
			}
		}
		request.SetBasicAuth(cfg.Username, password)
		cfg.Secrets.Add(secrets.Basic(cfg.Username, password)...)
	}
	response, err := client.Do(request)
	if err != nil {
		return unanswered(err, cfg.Secrets)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return declined(cfg, response)
	}
	if err := decode(response.Body); err != nil {
		return unanswered(err, cfg.Secrets)
	}
	return nil
}

// unanswered says why there was no answer that could be read.
func unanswered(err error, set *secrets.Set) *topologyError {
	var whole *url.Error
	begun := !errors.As(err, &whole) // an answer had
	if !begun {
		err = timeoutKept{whole.Err, whole.Timeout()} // the rest is the URL
	}
	text := shortened(set.Hide(err.Error()))
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var syntax *json.SyntaxError
	var slow interface{ Timeout() bool }
	switch {
	case errors.Is(err, errAnswerTooLarge) || errors.Is(err, errNodeTooLarge):
		return &topologyError{resultTooLarge, 0, err}
	case begun && (errors.As(err, &syntax) || errors.Is(err, errNoArray) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)):
		return &topologyError{resultMalformed, 0, fmt.Errorf("the answer is no JSON that makes sense or was cut off: %s", text)}
	case errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert):
		return &topologyError{resultTLS, 0, fmt.Errorf("TLS: %s: check skydive.tls_config and whether the analyzer speaks TLS", text)}
	case errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &slow) && slow.Timeout()):
		return &topologyError{resultTimeout, 0, errors.New("the answer did not come in time")}
	}
	return &topologyError{resultUnreachable, 0, errors.New(text)}
}

// timeoutKept is an error without the URL around it, of which it is known
// whether it means a timeout.
type timeoutKept struct {
	error
	timeout bool
}

// Timeout says whether time ran out.
func (t timeoutKept) Timeout() bool { return t.timeout }

// Unwrap returns the error.
func (t timeoutKept) Unwrap() error { return t.error }

// declined says what an answer other than 200 means.
func declined(cfg *TopologyConfig, response *http.Response) *topologyError {
	status := fmt.Sprintf("HTTP %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	if text := quotable(response.Body, cfg.Secrets); text != "" {
		status += fmt.Sprintf(", %q", text)
	}
	e := &topologyError{resultHTTP, response.StatusCode, fmt.Errorf("the analyzer answers %s", status)}
	switch response.StatusCode {
	case http.StatusUnauthorized:
		remedy := "check skydive.basic_auth.username and skydive.basic_auth.password_file"
		if cfg.Username == "" {
			remedy = "it wants credentials: set skydive.basic_auth.username and skydive.basic_auth.password_file"
		}
		e.result, e.err = resultUnauthorized, fmt.Errorf("the analyzer refuses the credentials (%s): %s", status, remedy)
	case http.StatusNotFound:
		e.err = fmt.Errorf("no topology at this address (%s): set topology.analyzers, or topology.enabled: false", status)
	}
	return e
}
