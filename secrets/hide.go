// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// Mask stands for a secret in a text.
	Mask = "<hidden>"

	// shortest is the length in bytes from which a secret is hidden wherever its
	// letters occur.
	shortest = 6
)

var (
	// authorization is an Authorization header's value, also where it stands in
	// JSON, HTML or a URL.
	authorization = regexp.MustCompile(`(?i)\b((?:basic|bearer)(?:\s|%20|\+|&#32;)+)([^\s"'<>,;&()\[\]{}]+)`)
	// spoken are words that follow "basic" or "bearer" in sentences.
	spoken = regexp.MustCompile(`(?i)^(auth|authentication|authorization|credentials?|scheme|tokens?|realm=.*)[.:]?$`)
	// signed is a JSON Web Token.
	signed = regexp.MustCompile(`\beyJ[\w-]{8,}(?:\.[\w-]*)+`)
	// escape is a byte in a URL.
	escape = regexp.MustCompile(`%[0-9A-F]{2}`)
)

// known is one secret.
type known struct {
	word, pinned bool
	used         uint64 // the largest was used last
}

// hider hides one state of a [Set].
type hider struct {
	anywhere *strings.Replacer
	placed   []string // hidden where they stand as a value, longest first
	all      []string // longest first
}

func newHider(list map[string]*known) *hider {
	h := &hider{}
	var long []string
	for text, k := range list {
		if forms := formsOf(text); k.word || len(text) < shortest {
			h.placed = append(h.placed, forms...)
		} else {
			long = append(long, forms...)
		}
	}
	long, h.placed = longestFirst(long), longestFirst(h.placed)
	h.all = longestFirst(slices.Concat(long, h.placed))
	// Texts pass here several times; a secret may be part of what stands for one.
	pairs := []string{Mask, Mask}
	for _, text := range long {
		pairs = append(pairs, text, Mask)
	}
	h.anywhere = strings.NewReplacer(pairs...)
	return h
}

// formsOf returns the forms in which a text is likely to come back.
func formsOf(text string) []string {
	quoted := strconv.Quote(text)
	escaped := html.EscapeString(text)
	forms := []string{text, quoted[1 : len(quoted)-1], escaped, strings.ReplaceAll(escaped, "&#34;", "&quot;")}
	for _, form := range []string{url.QueryEscape(text), url.PathEscape(text)} {
		forms = append(forms, form, escape.ReplaceAllStringFunc(form, strings.ToLower))
	}
	if b, err := json.Marshal(text); err == nil {
		forms = append(forms, string(b[1:len(b)-1]))
	}
	return forms
}

func longestFirst(texts []string) []string {
	slices.SortFunc(texts, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(texts)
}

func (h *hider) hide(text string) string {
	text = h.anywhere.Replace(text)
	for _, secret := range h.placed {
		text = hidePlaced(text, secret)
	}
	text = signed.ReplaceAllString(text, Mask)
	return authorization.ReplaceAllStringFunc(text, func(match string) string {
		parts := authorization.FindStringSubmatch(match)
		if spoken.MatchString(parts[2]) {
			return match
		}
		return parts[1] + Mask
	})
}

// trimBegun drops what may be the beginning of a secret from the end of a text
// that was cut off.
func (h *hider) trimBegun(text string) string {
	for _, secret := range h.all {
		for n := min(len(secret)-1, len(text)); n > 0; n-- {
			if strings.HasSuffix(text, secret[:n]) {
				text = text[:len(text)-n]
				break
			}
		}
	}
	return text
}

// hidePlaced hides a secret where it is the whole text or stands as a value.
func hidePlaced(text, secret string) string {
	if text == secret {
		return Mask
	}
	for from := 0; ; {
		i := strings.Index(text[from:], secret)
		if i < 0 {
			return text
		}
		begin, end := from+i, from+i+len(secret)
		if isValue(text[:begin], text[end:]) {
			text = text[:begin] + Mask + text[end:]
			from = begin + len(Mask)
		} else {
			from = begin + 1
		}
	}
}

// isValue reports whether what stands between two texts is a value: of a header, a
// field, a part of a URL.
func isValue(before, after string) bool {
	name := strings.TrimRight(before, " \t\r\n\"'`[({\\")
	if name == "" || !strings.ContainsRune(":=?&;", rune(name[len(name)-1])) {
		return false
	}
	if after = strings.TrimPrefix(after, "."); after == "" {
		return true
	}
	if after[0] != ' ' {
		return strings.ContainsRune("\t\r\n,;&\"'`<>()[]{}\\@|", rune(after[0]))
	}
	if !strings.HasSuffix(before, " ") {
		return true
	}
	// "name: value name: value", not "what was done: a word or two".
	next, _, _ := strings.Cut(strings.TrimLeft(after, " "), " ")
	return next == "" || strings.ContainsAny(next, ":=")
}
