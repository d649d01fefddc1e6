// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package client makes single attempts at one receiver: credentials, the request, and what
// its answer means. It knows no samples, no queue and no retries.
package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/credentials"
	"github.com/skydive-project/skybridge/remotewrite/wire"
	"github.com/skydive-project/skybridge/secrets"
	"github.com/skydive-project/skybridge/unixsocket"
)

const (
	// maxDrain is how much of an answer is read to keep its connection; past it
	// a new connection is cheaper.
	maxDrain = 64 << 10
	// bodyTimeout bounds the reading of an answer's text. The status has come: a
	// text that trickles in must not hold up the next request.
	bodyTimeout = time.Second
	// messageV2 is the protobuf message of remote-write 2.0.
	messageV2 = "io.prometheus.write.v2.Request"
)

// Verdict is what an attempt means for the request.
type Verdict int

// The verdicts.
const (
	Delivered Verdict = iota // stored: never send it again
	Refused                  // the receiver does not want it: never send it again
	Retry                    // not known, or not yet: send the same again
	TooLarge                 // smaller requests may be taken
	NotV2                    // sent as 2.0, which the receiver does not speak: nothing is stored
	Aborted                  // stopped by the caller
)

// judge is the one place that decides what a status code means.
func judge(status int, retryOn429 bool) Verdict {
	switch {
	case status/100 == 2:
		return Delivered
	case status == http.StatusTooManyRequests && retryOn429:
		// Both specifications allow it. A rate limit refuses the moment, not the
		// samples, and must not lose bytes.
		return Retry
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly:
		// The specifications say "MUST NOT retry" of every other 4xx. But these two
		// refuse the moment, as 429 does: the way there was too slow, or the
		// connection too young.
		return Retry
	case status == http.StatusRequestEntityTooLarge:
		return TooLarge
	case status/100 == 4:
		// "MUST NOT retry": the receiver has looked at the request and will say
		// the same the next time.
		return Refused
	case status/100 == 5:
		// "MUST retry": something failed behind the receiver; whether it had
		// stored the samples before that is not known.
		return Retry
	default:
		// A redirect that is not followed. Nothing was said about the samples, and
		// a better URL in the config can still deliver them.
		return Retry
	}
}

// Config is a receiver as requests reach it.
type Config struct {
	URL string
	// Timeout bounds one attempt, from dialling to the end of the answer.
	Timeout time.Duration
	// Headers are added to each request; those that the protocol or HTTP itself
	// sets are never overridden.
	Headers map[string]string
	// HTTP is authentication, TLS, proxy, redirects and HTTP/2, validated.
	HTTP config.HTTPClientConfig
	// RetryOn429: 429 means [Retry], not [Refused].
	RetryOn429 bool
	// Agent is the User-Agent.
	Agent string
}

// Client makes single attempts at one receiver. Safe for concurrent use.
type Client struct {
	cfg     Config
	auth    *credentials.Credentials
	opts    []config.HTTPClientOption
	secrets *secrets.Set
	header  http.Header
	conns   connections
}

// Answer is what came of an attempt.
type Answer struct {
	Verdict Verdict
	Status  int // 0 without an answer
	// SpeaksV2: the answer bears statistics that only 2.0 has, whatever they say.
	SpeaksV2 bool
	// Words say what went wrong, in the receiver's words where it had some. They
	// are for people: nothing may depend on them. No secret is in them.
	Words string
	// RetryAfter is how long the receiver asks not to be sent anything, 0: it does not.
	RetryAfter time.Duration

	webPage bool  // its text is HTML
	err     error // why there is no answer; nil where the error names its remedy
}

// New makes a client. set learns the secrets that it uses.
func New(cfg Config, set *secrets.Set, opts ...config.HTTPClientOption) (*Client, error) {
	set.Add(secrets.OfReceiver(cfg.URL, cfg.Headers, &cfg.HTTP)...)
	opts = append([]config.HTTPClientOption{config.WithUserAgent(cfg.Agent)}, opts...)
	pools := append(slices.Clone(opts), config.WithSecretManager(set))
	if socket, over := unixsocket.Receiver(cfg.URL); socket != "" {
		cfg.URL, cfg.HTTP.ProxyConfig = over, config.ProxyConfig{}
		pools = append(pools, config.WithDialContextFunc(dialSocket(socket)))
	}
	c := &Client{cfg: cfg, opts: pools, secrets: set, header: requestHeader(cfg.Agent)}
	var err error
	if c.auth, err = credentials.New(&c.cfg.HTTP, cfg.Headers, cfg.Timeout, set, opts...); err != nil {
		return nil, fmt.Errorf("HTTP client: %w", err)
	}
	first, err := c.newHTTP()
	if err != nil {
		return nil, fmt.Errorf("HTTP client: %w", err)
	}
	c.conns.use(first)
	return c, nil
}

// newHTTP makes a client without connections.
func (c *Client) newHTTP() (*http.Client, error) {
	// The rest is what the credentials add.
	transport, err := config.NewRoundTripperFromConfig(config.HTTPClientConfig{
		TLSConfig: secrets.TLS(c.cfg.HTTP.TLSConfig), ProxyConfig: c.cfg.HTTP.ProxyConfig, EnableHTTP2: c.cfg.HTTP.EnableHTTP2,
	}, "remote_write", c.opts...)
	if err != nil {
		return nil, err
	}
	redirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.cfg.HTTP.FollowRedirects {
		redirect = keepsMethod
	}
	return &http.Client{Transport: c.auth.Transport(transport), CheckRedirect: redirect}, nil
}

// Renew has the next attempt use new connections, which lead to where the receiver's
// name leads by then.
func (c *Client) Renew() { c.conns.renew() }

// dialSocket connects to a Unix socket. A redirect does not lead away from it.
func dialSocket(path string) config.DialContextFunc {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		if address != unixsocket.Host+":80" {
			return nil, errors.New("a redirect leads away from the Unix socket")
		}
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}

// Close ends what a client holds when no new request will use it. Requests in
// flight continue, but for those that wait for a token.
func (c *Client) Close() {
	c.auth.Close()
	c.conns.close()
}

// requestHeader is the headers of the protocol.
func requestHeader(agent string) http.Header {
	h := http.Header{}
	h.Set("Content-Encoding", "snappy")
	h.Set("Content-Type", "application/x-protobuf")
	h.Set("User-Agent", agent)
	h.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	return h
}

// Post makes one attempt. attempt is 0 for the first. When ctx ends, the attempt
// ends as [Aborted]; everything else has another verdict.
func (c *Client) Post(ctx context.Context, b *Body, attempt int) Answer {
	timed, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(timed, http.MethodPost, c.cfg.URL, nil)
	if err != nil { // the URL was parsed before
		return Answer{Verdict: Retry, Words: "cannot make a request"}
	}
	req.Header = c.header.Clone()
	if attempt > 0 {
		req.Header.Set("Retry-Attempt", strconv.Itoa(attempt))
	}
	if b.Version == wire.V2 {
		req.Header.Set("Content-Type", "application/x-protobuf;proto="+messageV2)
		req.Header.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	}
	req.ContentLength = int64(len(b.Data))
	req.Body = b.open()
	req.GetBody = func() (io.ReadCloser, error) { return b.open(), nil }

	resp, err := c.conns.take(c.newHTTP).Do(req)
	if err != nil {
		_, unsent := errors.AsType[*credentials.Error](err) // says itself what took so long
		switch {
		case ctx.Err() != nil:
			return Answer{Verdict: Aborted, Words: "stopped"}
		case timed.Err() != nil && !unsent:
			return Answer{Verdict: Retry, Words: fmt.Sprintf("no answer within %v", c.cfg.Timeout), err: context.DeadlineExceeded}
		}
		a := Answer{Verdict: Retry, Words: c.secrets.Quote(secrets.WithoutURL(err).Error()), err: err}
		if unsent {
			a.err = nil
		}
		return a
	}
	defer resp.Body.Close()
	defer time.AfterFunc(bodyTimeout, cancel).Stop()

	a := Answer{Verdict: judge(resp.StatusCode, c.cfg.RetryOn429), Status: resp.StatusCode}
	if a.Status == http.StatusUnauthorized {
		c.auth.Forget()
	}
	// An answer that breaks off here has still given its status.
	text, broken := io.ReadAll(io.LimitReader(resp.Body, secrets.MaxRead+1))
	if broken != nil { // in the middle of a secret, perhaps
		text = []byte(c.secrets.HideCut(string(text)))
	}
	stored, speaksV2 := written(resp.Header)
	a.SpeaksV2 = speaksV2
	a.webPage = isWebPage(text)
	switch {
	case a.Verdict != Delivered:
		a.Words = statusWords(resp.StatusCode, c.secrets.Quote(string(text)))
	case a.webPage:
		// Nothing says that it was stored, and behind another URL, or once a proxy's
		// page is gone, it still can be.
		a.Verdict = Retry
		a.Words = statusWords(resp.StatusCode, "a web page, which no receiver answers with: "+c.secrets.Quote(string(text)))
	case b.Version == wire.V2 && !stored:
		a.Verdict = NotV2
		a.Words = statusWords(resp.StatusCode, "it does not confirm that anything was stored")
	}
	if a.Verdict == Retry {
		a.RetryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain) // so that the connection is used again
	return a
}

// written reads what a receiver of 2.0 says it has stored (specification 2.0,
// "Required Written Response Headers"). How many that are is of no use: on
// errors the receivers count differently.
func written(h http.Header) (stored, speaks2 bool) {
	for _, kind := range [...]string{"Samples", "Histograms", "Exemplars"} {
		value := h.Get("X-Prometheus-Remote-Write-" + kind + "-Written")
		speaks2 = speaks2 || value != ""
		n, err := strconv.ParseInt(value, 10, 64)
		stored = stored || err == nil && n > 0
	}
	return stored, speaks2
}

// isWebPage says whether an answer begins as HTML does. Its Content-Type says less:
// some frameworks give every answer that of HTML. (Receivers answer with nothing, or
// with some Words: Prometheus, VictoriaMetrics, Thanos, Cortex, Mimir.)
func isWebPage(text []byte) bool {
	return strings.HasPrefix(http.DetectContentType(text), "text/html")
}
