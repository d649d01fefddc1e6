// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
)

// maxQuoted is how much of a peer's words is kept in bytes.
const maxQuoted = 512

// MaxRead is how much of a peer's words is to be read in bytes: secrets are hidden before
// they are cut.
const MaxRead = 8 << 10

// Quote is the beginning of what a peer said, or of an error that quotes it, fit for logs,
// pages and terminals, on one line: some answer with the request that they refuse, secrets
// and all, others with a page of HTML.
func (s *Set) Quote(said string) string {
	if len(said) > MaxRead {
		said = s.HideCut(said[:MaxRead])
	} else {
		said = s.Hide(said)
	}
	said = strings.Join(strings.Fields(strings.ToValidUTF8(said, "\uFFFD")), " ")
	said = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return unicode.ReplacementChar
		}
		return c
	}, said)
	if len(said) > maxQuoted {
		said = strings.ToValidUTF8(said[:maxQuoted], "") + "…"
	}
	return said
}

// WithoutURL returns an error without the URL that net/http puts around it, for that can
// hold secrets.
func WithoutURL(err error) error {
	for {
		// One inside another where a proxy is asked on the way.
		wrapped, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = wrapped.Err
	}
}
