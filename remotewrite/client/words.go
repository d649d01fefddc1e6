// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/skydive-project/skybridge/secrets"
)

const (
	// maxReceiverWords is how much of a receiver's error text is kept, and
	// maxReadWords how much of it is read: secrets are hidden before it is cut.
	maxReceiverWords = 512
	maxReadWords     = 8 << 10
)

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
