// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/skydive-project/skybridge/secrets"
)

// maxQuoted bounds in bytes what a log quotes of the peer.
const maxQuoted = 256

// Refusal is [Account.Refusal] for an answer to a login.
func (t *Transport) Refusal(resp *http.Response) string {
	status := fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if text := quotable(resp.Body, t.Secrets); text != "" {
		status += fmt.Sprintf(", %q", text)
	}
	return status
}

// Text is an error's text without secrets, for it can quote a broken answer, and not
// too long.
func (t *Transport) Text(err error) string { return shortened(t.Secrets.Hide(err.Error())) }

// TLSError returns what to say of an error of TLS, nil where it is none.
func (t *Transport) TLSError(err error) error {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	if errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) {
		return fmt.Errorf("TLS: %s: check skydive.tls_config and whether the analyzer speaks TLS", t.Text(err))
	}
	return nil
}

// quotable is the beginning of an answer's body without secrets. They are taken
// out before it is cut, lest half of one stays.
func quotable(body io.Reader, set *secrets.Set) string {
	const kept = 1024 // by the WebSocket library, which has read it already
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
