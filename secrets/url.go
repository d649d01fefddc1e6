// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"net/url"
	"slices"
	"strings"
)

// URL returns a URL fit for logs, labels and pages: without user, password and
// fragment, and with [Mask] for whatever stands behind its question mark. What is
// no URL is hidden whole.
func URL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" && (u.Scheme != "unix" || u.Path == "") || strings.Contains(u.Path, "@") { // of a password with a slash
		return Mask
	}
	query := u.RawQuery
	u.User, u.Fragment, u.RawFragment, u.RawQuery, u.ForceQuery = nil, "", "", "", false
	if query == "" {
		return u.String()
	}
	return u.String() + "?" + Mask
}

// OfURL returns what is secret of a URL: its password, and what stands behind its
// question mark, well formed or not.
func OfURL(raw string) []Secret {
	var list []Secret
	base, query, _ := strings.Cut(raw, "?")
	if !strings.Contains(base, "://") {
		base = "http://" + base // as a proxy may be written
	}
	if u, err := url.Parse(base); err == nil && u.User != nil {
		password, _ := u.User.Password()
		list = Basic(u.User.Username(), password)
	}
	query, _, _ = strings.Cut(query, "#")
	if query == "" {
		return list
	}
	list = append(list, Secret{Text: query})
	// Servers differ in what separates parameters.
	parts := append(strings.Split(query, "&"), strings.FieldsFunc(query, func(c rune) bool { return c == '&' || c == ';' })...)
	for _, part := range parts {
		name, value, named := strings.Cut(part, "=")
		if !named {
			name, value = "", part
		}
		list = append(list, Named(name, value))
		if plain, err := url.QueryUnescape(value); err == nil {
			list = append(list, Named(name, plain))
		}
	}
	return list
}

// Named returns the value of a header or parameter as a secret. Under some names
// stand ordinary words.
func Named(name, value string) Secret {
	ordinary := []string{"x-scope-orgid", "thanos-tenant", "tenant", "audience", "resource", "scope", "grant_type", "username", "db", "extra_label"}
	return Secret{Text: value, Word: slices.Contains(ordinary, strings.ToLower(name))}
}
