// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/secrets"
)

// HandshakeTimeout bounds the way from the first packet to the first answer.
const HandshakeTimeout = 10 * time.Second

// Transport is how analyzers are reached.
type Transport struct {
	Secrets *secrets.Set // learns our secrets and hides what analyzers repeat of them

	tls   config.TLSConfig
	proxy Proxy
}

// TLS returns the settings for wss:// and https:// to an analyzer, of what their files
// hold now.
func (t *Transport) TLS(to Target) (*tls.Config, error) {
	c, err := t.Secrets.NewTLSConfig(t.tls)
	if err != nil {
		return nil, fmt.Errorf("skydive.tls_config: %w", err)
	}
	if c.ServerName == "" {
		c.ServerName = to.Host
	}
	return c, nil
}

// Proxy is the proxy of a request, nil for none. Its errors show no URL, for that can have
// a password, which Secrets learns.
func (t *Transport) Proxy(req *http.Request) (*url.URL, error) {
	if t.proxy == nil {
		return nil, nil
	}
	u, err := t.proxy(req)
	if err != nil {
		return nil, errors.New("the proxy's URL (skydive.proxy_url, HTTP_PROXY, HTTPS_PROXY) is invalid")
	}
	if u != nil {
		t.Secrets.Add(secrets.OfURL(u.String())...)
	}
	return u, nil
}

// Client asks the API of an analyzer. It may be used concurrently. Redirects are not
// followed: the credentials are for the analyzer alone.
type Client struct {
	through *Transport
	to      Target
	timeout time.Duration

	mu        sync.Mutex
	http      *http.Client // nil: none yet
	transport *http.Transport
}

// Client makes a client whose requests take timeout at most, answers included.
func (t *Transport) Client(to Target, timeout time.Duration) *Client {
	return &Client{through: t, to: to, timeout: timeout}
}

// Do sends a request, to which [Account.Authorize] has added the credentials. Authorities
// in a file of tls_config that has changed are in force at once.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	client, err := c.now()
	if err != nil {
		return nil, err
	}
	req.Host = c.to.HostHeader()
	return client.Do(req)
}

func (c *Client) now() (*http.Client, error) {
	settings, err := c.through.TLS(c.to) // a client's certificate is read at each handshake
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http != nil {
		if settings.RootCAs.Equal(c.transport.TLSClientConfig.RootCAs) {
			return c.http, nil
		}
		c.transport.CloseIdleConnections()
	}
	c.transport = &http.Transport{
		Proxy:                  c.through.Proxy,
		DialContext:            (&net.Dialer{Timeout: HandshakeTimeout}).DialContext,
		TLSClientConfig:        settings,
		TLSHandshakeTimeout:    HandshakeTimeout,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    1,
		MaxResponseHeaderBytes: 64 << 10,
	}
	c.http = &http.Client{
		Timeout:       c.timeout,
		Transport:     c.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c.http, nil
}

// CloseIdleConnections closes connections that no request uses.
func (c *Client) CloseIdleConnections() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

// Proxy says through which proxy a request goes, nil for none.
type Proxy func(*http.Request) (*url.URL, error)
