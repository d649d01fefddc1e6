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
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/config"
)

const (
	// maxReceiverWords is how much of a receiver's error text is kept.
	maxReceiverWords = 512
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
	case status/100 == 4:
		// "MUST NOT retry": the receiver has looked at the request and will say
		// the same the next time. 408 and 401 are no exceptions there.
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
	// retryAfter is how long the receiver asks to be left alone, 0: it does not.
	retryAfter time.Duration
}

// newClient makes a client from a complete config. agent is its User-Agent.
func newClient(cfg *EndpointConfig, agent string, opts ...config.HTTPClientOption) (*client, error) {
	opts = append([]config.HTTPClientOption{config.WithUserAgent(agent)}, opts...)
	h, err := config.NewClientFromConfig(cfg.HTTPClient, "remote_write", opts...)
	if err != nil {
		return nil, fmt.Errorf("HTTP client: %w", err)
	}
	if cfg.HTTPClient.FollowRedirects {
		h.CheckRedirect = keepsMethod
	}
	return &client{
		http: h, url: cfg.URL, header: requestHeader(cfg.Headers, agent),
		timeout: cfg.Timeout, retryOn429: cfg.RetryOn429,
	}, nil
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

// requestHeader is the custom headers and, on top of them, the protocol's.
func requestHeader(custom map[string]string, agent string) http.Header {
	h := make(http.Header, len(custom)+4)
	for name, value := range custom {
		switch http.CanonicalHeaderKey(name) {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Te", "Upgrade", "Retry-Attempt":
		default:
			h.Set(name, value)
		}
	}
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
	if b.version == version2 {
		req.Header.Set("Content-Type", "application/x-protobuf;proto="+string(Message2))
		req.Header.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	}
	req.ContentLength = int64(len(b.data))
	req.Body = b.open()
	req.GetBody = func() (io.ReadCloser, error) { return b.open(), nil }

	resp, err := c.http.Do(req)
	if err != nil {
		switch {
		case ctx.Err() != nil:
			return answer{verdict: aborted, words: "stopped"}
		case timed.Err() != nil:
			return answer{verdict: again, words: fmt.Sprintf("no answer within %v", c.timeout)}
		}
		return answer{verdict: again, words: networkWords(err)}
	}
	defer resp.Body.Close()
	defer time.AfterFunc(bodyTimeout, cancel).Stop()

	a := answer{verdict: judge(resp.StatusCode, c.retryOn429), status: resp.StatusCode}
	stored, speaks2 := written(resp.Header)
	a.speaks2 = speaks2
	switch {
	case b.version == version2 && a.verdict == delivered && !stored:
		a.verdict = foreign
		a.words = statusWords(resp.StatusCode, []byte("it does not confirm that anything was stored"))
	case a.verdict != delivered:
		if b.version == version2 && resp.StatusCode == http.StatusUnsupportedMediaType {
			a.verdict = foreign
		}
		// An answer that breaks off here has still given its status.
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxReceiverWords))
		a.words = statusWords(resp.StatusCode, text)
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

// statusWords is an error answer in the receiver's words. The text after the
// code is the code's own, for the one in the answer can be of any length.
func statusWords(status int, text []byte) string {
	words := fmt.Sprintf("HTTP status %d %s", status, http.StatusText(status))
	if said := strings.TrimSpace(strings.ToValidUTF8(string(text), "\uFFFD")); said != "" {
		words += ": " + hideTokens(said)
	}
	return words
}

// hideTokens takes out what looks like credentials: some proxies answer with the
// request that they refuse, and words get into the log.
func hideTokens(words string) string {
	return regexp.MustCompile(`(?i)\b(basic|bearer)\s+[^\s"',;]+`).ReplaceAllString(words, "$1 <hidden>")
}

// networkWords is an error without the URL that net/http puts around it, for
// that can hold secrets.
func networkWords(err error) string {
	for {
		// One inside another where a token is fetched on the way.
		wrapped, ok := errors.AsType[*url.Error](err)
		if !ok {
			break
		}
		err = wrapped.Err
	}
	words := hideTokens(strings.ToValidUTF8(err.Error(), "\uFFFD"))
	if len(words) > maxReceiverWords {
		words = strings.ToValidUTF8(words[:maxReceiverWords], "")
	}
	return words
}
