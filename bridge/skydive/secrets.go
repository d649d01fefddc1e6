// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// secrets are texts that our requests carry and that a peer may repeat in its
// answer, longest first. They must not get into a log.
type secrets []string

const hiddenMark = "<hidden>"

// token is an Authorization header's value, also where it stands in JSON, HTML
// or a URL.
var token = regexp.MustCompile(`(?i)\b((?:basic|bearer)(?:\s|%20|\+|&#32;)+)[^\s"'<>,;&()\[\]{}]+`)

// basic returns what is secret of credentials.
func basic(username, password string) []string {
	if password == "" {
		return nil
	}
	return []string{password, base64.StdEncoding.EncodeToString([]byte(username + ":" + password))}
}

// secrets returns what the URL has behind its question mark.
func (t target) secrets() secrets {
	u, err := url.Parse(t.url)
	if err != nil || u.RawQuery == "" {
		return nil
	}
	texts := []string{u.RawQuery}
	for _, values := range u.Query() {
		texts = append(texts, values...)
	}
	return secrets(nil).with(texts...)
}

// with returns the secrets and these, each in the forms in which it is likely
// to come back. Empty ones are left out.
func (s secrets) with(texts ...string) secrets {
	all := slices.Clone(s)
	for _, text := range texts {
		if text == "" {
			continue
		}
		quoted := strconv.Quote(text)
		all = append(all, text, quoted[1:len(quoted)-1], html.EscapeString(text), url.QueryEscape(text), url.PathEscape(text))
		if b, err := json.Marshal(text); err == nil {
			all = append(all, string(b[1:len(b)-1]))
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(all)
}

// hide takes the secrets, and whatever looks like an Authorization header's
// value, out of a peer's words.
func (s secrets) hide(foreign string) string {
	replace := make([]string, 0, 2*len(s))
	for _, secret := range s {
		replace = append(replace, secret, hiddenMark)
	}
	foreign = strings.NewReplacer(replace...).Replace(foreign)
	return token.ReplaceAllString(foreign, "${1}"+hiddenMark)
}

// trimBegun drops what may be the beginning of a secret from the end of a text
// that was cut off.
func (s secrets) trimBegun(text string) string {
	for _, secret := range s {
		for n := min(len(secret)-1, len(text)); n > 0; n-- {
			if strings.HasSuffix(text, secret[:n]) {
				text = text[:len(text)-n]
				break
			}
		}
	}
	return text
}
