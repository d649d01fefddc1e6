// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/remotewrite/wire"
	"github.com/skydive-project/skybridge/secrets"
)

const (
	// maxReceiverWords is how much of a receiver's error text is kept, and
	// maxReadWords how much of it is read: secrets are hidden before it is cut.
	maxReceiverWords = 512
	maxReadWords     = 8 << 10
	// maxDrain is how much of an answer is read to keep its connection; past it
	// a new connection is cheaper.
	maxDrain = 64 << 10
	// bodyTimeout bounds the reading of an answer's text. The status has come: a
	// text that trickles in must not hold up the next request.
	bodyTimeout = time.Second
	// maxRedirects is the limit of net/http's own policy.
	maxRedirects = 10
)

// verdict is what an attempt means for the request.
type verdict int

const (
	delivered verdict = iota // stored: never send it again
	refused                  // the receiver does not want it: never send it again
	again                    // its fate is unknown or only delayed: send the same again
	tooLarge                 // smaller requests may be taken
	foreign                  // sent as 2.0, which the receiver does not speak: nothing is stored
	aborted                  // we stopped it ourselves
)

// judge is the one place that decides what a status code means.
func judge(status int, retryOn429 bool) verdict {
	switch {
	case status/100 == 2:
		return delivered
	case status == http.StatusTooManyRequests && retryOn429:
		// Both specifications allow it. A rate limit refuses the moment, not the
		// samples, and must not lose bytes.
		return again
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly:
		// The specifications say "MUST NOT retry" of every other 4xx. But these two
		// refuse the moment, as 429 does: the way there was too slow, or the
		// connection too young.
		return again
	case status == http.StatusRequestEntityTooLarge:
		return tooLarge
	case status/100 == 4:
		// "MUST NOT retry": the receiver has looked at the request and will say
		// the same the next time.
		return refused
	case status/100 == 5:
		// "MUST retry": something failed behind the receiver; whether it had
		// stored the samples before that is not known.
		return again
	default:
		// A redirect that is not followed. Nothing was said about the samples, and
		// a better URL in the config can still deliver them.
		return again
	}
}

// client makes single attempts at one receiver. Safe for concurrent use.
type client struct {
	http       *http.Client
	tokens     *tokens // nil: no OAuth2
	secrets    *secrets.Set
	url        string
	header     http.Header
	timeout    time.Duration
	retryOn429 bool
}

// answer is what came of an attempt.
type answer struct {
	verdict verdict
	status  int // 0 without an answer
	// speaks2: the answer bears statistics that only 2.0 has, whatever they say.
	speaks2 bool
	// words say what went wrong, in the receiver's words where it had some. They
	// are for people: nothing may depend on them.
	words string
	// webPage: its text is HTML.
	webPage bool
	// retryAfter is how long the receiver asks to be left alone, 0: it does not.
	retryAfter time.Duration
}

// newClient makes a client from a complete config, whose secrets set gets to know.
// agent is its User-Agent.
func newClient(cfg *EndpointConfig, agent string, set *secrets.Set, opts ...config.HTTPClientOption) (*client, error) {
	set.Add(secrets.OfReceiver(cfg.URL, cfg.Headers, &cfg.HTTPClient)...)
	opts = append([]config.HTTPClientOption{config.WithUserAgent(agent), config.WithSecretManager(set)}, opts...)
	// The rest is what credentials adds.
	transport, err := config.NewRoundTripperFromConfig(config.HTTPClientConfig{
		TLSConfig: secrets.TLS(cfg.HTTPClient.TLSConfig), ProxyConfig: cfg.HTTPClient.ProxyConfig, EnableHTTP2: cfg.HTTPClient.EnableHTTP2,
	}, "remote_write", opts...)
	if err != nil {
		return nil, fmt.Errorf("HTTP client: %w", err)
	}
	c := &client{
		secrets: set, url: cfg.URL, header: requestHeader(agent),
		timeout: cfg.Timeout, retryOn429: cfg.RetryOn429,
	}
	if cfg.HTTPClient.OAuth2 != nil {
		if c.tokens, err = newTokens(cfg.HTTPClient.OAuth2, cfg.Timeout, set, opts...); err != nil {
			return nil, fmt.Errorf("HTTP client: %w", err)
		}
	}
	c.http = &http.Client{
		Transport:     &credentials{transport, customHeader(cfg.Headers), &cfg.HTTPClient, set, c.tokens},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if cfg.HTTPClient.FollowRedirects {
		c.http.CheckRedirect = keepsMethod
	}
	return c, nil
}

// close ends what a client holds when no new request will use it. Requests in
// flight continue, but for those that wait for a token.
func (c *client) close() {
	if c.tokens != nil {
		c.tokens.close()
	}
	c.http.CloseIdleConnections()
}

// keepsMethod follows a redirect only where the request stays what it is: 307
// and 308. The others make a GET without a body out of a POST, which a receiver
// might even answer with 200.
func keepsMethod(next *http.Request, via []*http.Request) error {
	if next.Method != http.MethodPost || len(via) >= maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// customHeader is the headers of the configuration without those that are HTTP's.
func customHeader(custom map[string]string) http.Header {
	h := make(http.Header, len(custom))
	for name, value := range custom {
		switch http.CanonicalHeaderKey(name) {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Te", "Upgrade", "Retry-Attempt":
		default:
			h.Set(name, value)
		}
	}
	return h
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

// post makes one attempt. attempt is 0 for the first. When ctx ends, the attempt
// ends as aborted; everything else has another verdict.
func (c *client) post(ctx context.Context, b *body, attempt int) answer {
	timed, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(timed, http.MethodPost, c.url, nil)
	if err != nil { // the URL was parsed before
		return answer{verdict: again, words: "cannot make a request"}
	}
	req.Header = c.header.Clone()
	if attempt > 0 {
		req.Header.Set("Retry-Attempt", strconv.Itoa(attempt))
	}
	if b.version == wire.V2 {
		req.Header.Set("Content-Type", "application/x-protobuf;proto="+string(Message2))
		req.Header.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	}
	req.ContentLength = int64(len(b.data))
	req.Body = b.open()
	req.GetBody = func() (io.ReadCloser, error) { return b.open(), nil }

	resp, err := c.http.Do(req)
	if err != nil {
		_, unsent := errors.AsType[*credentialsError](err) // says itself what took so long
		switch {
		case ctx.Err() != nil:
			return answer{verdict: aborted, words: "stopped"}
		case timed.Err() != nil && !unsent:
			return answer{verdict: again, words: fmt.Sprintf("no answer within %v", c.timeout)}
		}
		return answer{verdict: again, words: peerWords(c.secrets, withoutURL(err).Error())}
	}
	defer resp.Body.Close()
	defer time.AfterFunc(bodyTimeout, cancel).Stop()

	a := answer{verdict: judge(resp.StatusCode, c.retryOn429), status: resp.StatusCode}
	// An answer that breaks off here has still given its status.
	text, broken := io.ReadAll(io.LimitReader(resp.Body, maxReadWords+1))
	if broken != nil { // in the middle of a secret, perhaps
		text = []byte(c.secrets.HideCut(string(text)))
	}
	stored, speaks2 := written(resp.Header)
	a.speaks2 = speaks2
	a.webPage = isWebPage(text)
	switch {
	case a.verdict != delivered:
		a.words = statusWords(resp.StatusCode, peerWords(c.secrets, string(text)))
	case a.webPage:
		// Nothing says that it was stored, and behind another URL, or once a proxy's
		// page is gone, it still can be.
		a.verdict = again
		a.words = statusWords(resp.StatusCode, "a web page, which no receiver answers with: "+peerWords(c.secrets, string(text)))
	case b.version == wire.V2 && !stored:
		a.verdict = foreign
		a.words = statusWords(resp.StatusCode, "it does not confirm that anything was stored")
	}
	if a.verdict == again {
		a.retryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
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
// with some words: Prometheus, VictoriaMetrics, Thanos, Cortex, Mimir.)
func isWebPage(text []byte) bool {
	return strings.HasPrefix(http.DetectContentType(text), "text/html")
}

// statusWords is an error answer in the receiver's words. The text after the
// code is the code's own, for the one in the answer can be of any length.
func statusWords(status int, said string) string {
	words := fmt.Sprintf("HTTP status %d %s", status, http.StatusText(status))
	if said != "" {
		words += ": " + said
	}
	return words
}

// peerWords is the beginning of what a peer said, or of an error that quotes it,
// fit for logs and pages: some answer with the request that they refuse, secrets
// and all.
func peerWords(set *secrets.Set, said string) string {
	if len(said) > maxReadWords {
		said = set.HideCut(said[:maxReadWords])
	} else {
		said = set.Hide(said)
	}
	said = strings.TrimSpace(strings.ToValidUTF8(said, "\uFFFD"))
	if len(said) > maxReceiverWords {
		said = strings.ToValidUTF8(said[:maxReceiverWords], "")
	}
	return said
}

// withoutURL returns an error without the URL that net/http puts around it, for
// that can hold secrets.
func withoutURL(err error) error {
	for {
		// One inside another where a proxy is asked on the way.
		wrapped, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = wrapped.Err
	}
}
