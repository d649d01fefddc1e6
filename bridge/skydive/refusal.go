// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/skydive-project/skybridge/secrets"
)

// maxQuoted bounds in bytes what a log repeats of the peer's words.
const maxQuoted = 256

// refused says what an answer other than 101 means.
func refused(cfg *Config, resp *http.Response) *failure {
	status := fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if text := quotable(resp.Body, cfg.Secrets); text != "" {
		status += fmt.Sprintf(", %q", text)
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		remedy := "check skydive.basic_auth.username and skydive.basic_auth.password_file"
		if cfg.Username == "" {
			remedy = "it wants credentials: set skydive.basic_auth.username and skydive.basic_auth.password_file"
		}
		return &failure{reasonUnauthorized, fmt.Errorf("the analyzer refuses the credentials (%s): %s", status, remedy)}
	case http.StatusConflict:
		return &failure{reasonConflict, fmt.Errorf("a client with host id %q is still connected (%s): "+
			"an earlier connection of this bridge, which the analyzer gives up after 7 s, "+
			"or another bridge with the same skydive.host_id", cfg.HostID, status)}
	case http.StatusNotFound:
		return &failure{reasonHTTP, fmt.Errorf("no flow feed at this address (%s): check the port and path of skydive.analyzers", status)}
	}
	return &failure{reasonHTTP, fmt.Errorf("the analyzer answers %s", status)}
}

// quotable is the beginning of an answer's body without secrets. They are taken
// out before it is cut, lest half of one stays.
func quotable(body io.Reader, set *secrets.Set) string {
	const kept = 1024 // by the library, which has read it already
	b, _ := io.ReadAll(io.LimitReader(body, kept))
	text := set.Hide(string(b))
	if len(b) == kept {
		text = set.HideCut(string(b))
	}
	return shortened(strings.TrimSpace(text))
}

func shortened(text string) string {
	if len(text) <= maxQuoted {
		return text
	}
	return strings.ToValidUTF8(text[:maxQuoted], "") + "…"
}

// misshaken says what is wrong with a 101, err being the library's opinion of
// it; nil when nothing is.
func misshaken(resp *http.Response, err error) *failure {
	switch {
	case errors.Is(err, websocket.ErrBadHandshake):
		return &failure{reasonProtocol, errors.New("the WebSocket handshake is broken: HTTP 101 came with a wrong or missing " +
			"Upgrade, Connection or Sec-WebSocket-Accept header: check that skydive.analyzers is an analyzer, and any proxy before it")}
	case slices.ContainsFunc(resp.Header.Values("Sec-WebSocket-Extensions"), func(v string) bool { return v != "" }):
		// None was offered, so a client must fail here (RFC 6455 section 4.1);
		// the library takes up compression all the same.
		return &failure{reasonProtocol, errors.New("the WebSocket handshake is broken: the analyzer, or a proxy before it, " +
			"uses an extension such as compression that was not asked for")}
	}
	return nil
}

// unreached says why there was no answer that could be read.
func unreached(err error, set *secrets.Set) *failure {
	text := shortened(set.Hide(err.Error())) // it can quote a broken answer at length
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.Is(err, errEndlessHandshake):
		return &failure{reasonProtocol, errEndlessHandshake}
	case errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert):
		return &failure{reasonTLS, fmt.Errorf("TLS: %s: check skydive.tls_config and whether the analyzer speaks TLS", text)}
	}
	return &failure{reasonDial, fmt.Errorf("connect: %s", text)}
}
