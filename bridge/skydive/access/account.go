// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/skydive-project/skybridge/secrets"
)

// HandshakeTimeout bounds the way from the first packet to the first answer.
const HandshakeTimeout = 10 * time.Second

// maxQuoted bounds in bytes what a log repeats of the peer's words.
const maxQuoted = 256

// Account is how the bridge shows who it is. Its fields do not change.
type Account struct {
	Username string
	// Password is called at each request, so that a changed file needs no reload.
	// Nil means none.
	Password func() (string, error)
	// TLS is for wss; nil means the system's certificates.
	TLS *tls.Config
	// Secrets learns our secrets and hides what analyzers repeat of them.
	Secrets *secrets.Set
}

// Authorize adds the credentials to a request's header, and has Secrets learn them.
func (a *Account) Authorize(h http.Header, to Target) error {
	a.Secrets.Add(secrets.OfURL(to.URL)...)
	if a.Username == "" {
		return nil
	}
	password := ""
	if a.Password != nil {
		var err error
		if password, err = a.Password(); err != nil {
			return fmt.Errorf("read the password (skydive.basic_auth.password_file): %w", err)
		}
	}
	r := http.Request{Header: h}
	r.SetBasicAuth(a.Username, password)
	a.Secrets.Add(secrets.Basic(a.Username, password)...)
	return nil
}

// Proxy says through which proxy a request goes, nil for none.
type Proxy func(*http.Request) (*url.URL, error)

// Hidden returns a Proxy that does not quote the proxy's URL in errors, for it can
// have a password, which set learns.
func (p Proxy) Hidden(set *secrets.Set) Proxy {
	return func(req *http.Request) (*url.URL, error) {
		u, err := p(req)
		if err != nil {
			return nil, errors.New("the proxy's URL (HTTP_PROXY, HTTPS_PROXY) is invalid")
		}
		if u != nil {
			set.Add(secrets.OfURL(u.String())...)
		}
		return u, nil
	}
}

// Same reports whether a connection made with a is the one that o would make.
// Passwords and what is behind TLS callbacks are not compared: they are read at each
// connect, and what is connected has no need of them.
func (a *Account) Same(o *Account) bool {
	return a.Username == o.Username && sameTLS(a.TLS, o.TLS)
}

func sameTLS(a, b *tls.Config) bool {
	if a == nil || b == nil {
		return a == b
	}
	if (a.RootCAs == nil) != (b.RootCAs == nil) || a.RootCAs != nil && !a.RootCAs.Equal(b.RootCAs) {
		return false
	}
	return a.ServerName == b.ServerName && a.InsecureSkipVerify == b.InsecureSkipVerify &&
		a.MinVersion == b.MinVersion && a.MaxVersion == b.MaxVersion &&
		slices.EqualFunc(a.Certificates, b.Certificates, func(x, y tls.Certificate) bool {
			return slices.EqualFunc(x.Certificate, y.Certificate, slices.Equal)
		})
}

// Refusal is an answer's status, and the beginning of its body without secrets.
func (a *Account) Refusal(resp *http.Response) string {
	status := fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if text := quotable(resp.Body, a.Secrets); text != "" {
		status += fmt.Sprintf(", %q", text)
	}
	return status
}

// Unauthorized is the error that HTTP 401 means.
func (a *Account) Unauthorized(refusal string) error {
	remedy := "check skydive.basic_auth.username and skydive.basic_auth.password_file"
	if a.Username == "" {
		remedy = "it wants credentials: set skydive.basic_auth.username and skydive.basic_auth.password_file"
	}
	return fmt.Errorf("the analyzer refuses the credentials (%s): %s", refusal, remedy)
}

// Text is an error's text without secrets, for it can quote a broken answer, and not
// too long.
func (a *Account) Text(err error) string { return shortened(a.Secrets.Hide(err.Error())) }

// TLSError returns what to say of an error of TLS, nil where it is none.
func (a *Account) TLSError(err error) error {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	if errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) {
		return fmt.Errorf("TLS: %s: check skydive.tls_config and whether the analyzer speaks TLS", a.Text(err))
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
