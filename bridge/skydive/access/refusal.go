// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/skydive-project/skybridge/secrets"
)

// Refusal is [Account.Refusal] for an answer to a login.
func (t *Transport) Refusal(resp *http.Response) string {
	status := fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if text := quotable(resp.Body, t.Secrets); text != "" {
		status += fmt.Sprintf(", %q", text)
	}
	return status
}

// Text is an error's text without secrets, for it can quote a broken answer.
func (t *Transport) Text(err error) string { return t.Secrets.Quote(err.Error()) }

// TLSError returns what to say of an error of TLS, nil where it is none.
func (t *Transport) TLSError(err error) error {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	if errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) || errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Errorf("TLS: %s: check skydive.tls_config and whether the analyzer speaks TLS", t.Text(err))
	}
	return nil
}

// quotable is the beginning of an answer's body without secrets.
func quotable(body io.Reader, set *secrets.Set) string {
	const kept = 1024 // by the WebSocket library, which has read it already
	b, _ := io.ReadAll(io.LimitReader(body, kept))
	if len(b) == kept { // in the middle of a secret, perhaps
		return set.Quote(set.HideCut(string(b)))
	}
	return set.Quote(string(b))
}
