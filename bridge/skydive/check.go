// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gorilla/websocket"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

// Checked is what came of asking an analyzer whether its feed can be used.
type Checked struct {
	Analyzer string   // its URL without query, or the name that stands for several
	Facts    []string // what works
	Errs     []error  // what does not, with what to change; no secrets
}

// Check asks every analyzer, all at once, who it is, which peers it has, and whether its
// feed is there for these credentials. It opens no subscriber's socket: the end of one
// makes an analyzer forget every subscriber (skydive-feed.md).
func Check(ctx context.Context, cfg Config) ([]Checked, error) {
	addresses, err := cfg.addresses()
	if err != nil {
		return nil, err
	}
	var out []Checked
	for _, f := range addresses.LookUp(ctx) {
		out = append(out, Checked{Analyzer: f.Name, Errs: []error{fmt.Errorf("look up the name: %w: check it, and the name server", f.Err)}})
	}
	targets, beyond := addresses.Targets()
	if beyond > 0 {
		out = append(out, Checked{Analyzer: "names", Errs: []error{fmt.Errorf("they stand for %d analyzers more than the %d that can be subscribed to", beyond, access.MaxAnalyzers)}})
	}
	checks := make([]check, len(targets))
	var asking sync.WaitGroup
	for i, to := range targets {
		asking.Go(func() { checks[i].run(ctx, &cfg, to) })
	}
	asking.Wait()
	met := map[string]bool{}
	for _, c := range checks {
		met[c.host] = true
	}
	for _, c := range checks {
		for _, peer := range c.peers {
			if !met[peer] {
				c.Errs = append(c.Errs, fmt.Errorf("its peer %q is none of the analyzers here, and flows that agents send to it would be missing: "+listAll, peer))
			}
		}
		out = append(out, c.Checked)
	}
	return out, nil
}

type check struct {
	Checked
	host  string
	peers []string
}

func (c *check) run(ctx context.Context, cfg *Config, to access.Target) {
	c.Analyzer = to.Name
	note := func(fact string, err error) {
		if err != nil {
			c.Errs = append(c.Errs, err)
		} else {
			c.Facts = append(c.Facts, fact)
		}
	}
	q := inquire(cfg.Account, to)
	defer q.close()
	fact, fail := q.feed(ctx, cfg)
	switch {
	case fail == nil:
		note(fact, nil)
	case fail.reason == reasonDial:
		note("", fmt.Errorf("%w: check host and port in skydive.analyzers, and that the analyzer runs", fail))
		return // the rest has the same cause
	case fail.reason == reasonTLS || fail.reason == reasonCredentials:
		note("", fail)
		return
	default:
		note("", fail)
	}
	var err error
	if c.host, err = q.host(ctx); err != nil {
		note("", err)
		return
	}
	note("it is "+c.host, nil)
	c.peers, err = q.peers(ctx)
	slices.Sort(c.peers)
	c.peers = slices.Compact(c.peers)
	fact = "it has no peers"
	if len(c.peers) > 0 {
		fact = "its peers are " + strings.Join(c.peers, ", ")
	}
	note(fact, err)
}

// feed asks for the feed, without becoming a subscriber.
func (q *inquiry) feed(ctx context.Context, cfg *Config) (fact string, fail *failure) {
	header, fail := requestHeader(ctx, cfg, q.to)
	if fail != nil {
		return "", fail
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, q.to.HTTP(), nil)
	if err != nil {
		return "", &failure{reasonDial, errors.New("the analyzer's URL cannot be used")}
	}
	if fail := q.tunnel(ctx, request, header); fail != nil {
		return "", fail
	}
	request.Header = header
	response, err := q.client.Do(request)
	if err != nil {
		return "", unreached(err, q.account)
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusUpgradeRequired: // an analyzer wants a WebSocket
		return "its feed is there", nil
	case http.StatusConflict:
		return fmt.Sprintf("its feed is there, and a subscriber with the host id %q, as this bridge is when it runs", cfg.HostID), nil
	}
	return "", refused(cfg, q.to, response)
}

// tunnel asks the proxy of a request, if there is one, for a connection as that of the feed
// is, and over it for a page that is no WebSocket.
func (q *inquiry) tunnel(ctx context.Context, request *http.Request, header http.Header) *failure {
	if proxy, err := q.account.Proxy(request); err != nil || proxy == nil {
		return nil // an error is that of the request, too
	}
	settings, err := q.account.TLS(q.to)
	if err != nil {
		return &failure{reasonTLS, err}
	}
	dialer := websocket.Dialer{Proxy: q.account.Proxy, HandshakeTimeout: access.HandshakeTimeout, TLSClientConfig: settings}
	conn, answer, err := handshake(ctx, &dialer, "ws"+strings.TrimPrefix(q.to.API("/api"), "http"), header)
	if conn != nil {
		_ = conn.Close() // it is no subscription
	}
	if answer != nil {
		_ = answer.Body.Close() // in memory
		return nil
	}
	fail := unreached(err, q.account)
	return &failure{fail.reason, fmt.Errorf("through the proxy: %w: it must allow CONNECT to the analyzer's port", fail.err)}
}
