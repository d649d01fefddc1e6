// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/secrets"
)

// Compare returns attributes of a log line (each an [slog.Attr]) that say how a
// configuration differs from a former one: which analyzers and endpoints were added
// and removed, which endpoints changed, and which other keys. None holds a secret.
func Compare(former, now *Config) []any {
	var attrs []any
	note := func(key string, names []string) {
		if len(names) > 0 {
			attrs = append(attrs, slog.String(key, strings.Join(names, ", ")))
		}
	}
	note("analyzers_added", missing(now.Skydive.Analyzers, former.Skydive.Analyzers))
	note("analyzers_removed", missing(former.Skydive.Analyzers, now.Skydive.Analyzers))

	before, after := endpointTexts(former), endpointTexts(now)
	note("endpoints_added", endpointNames(now, func(id string) bool { return before[id] == nil }))
	note("endpoints_removed", endpointNames(former, func(id string) bool { return after[id] == nil }))
	note("endpoints_changed", endpointNames(now, func(id string) bool { return before[id] != nil && !bytes.Equal(before[id], after[id]) }))
	note("changed", changedKeys("", former.document(writer{}), now.document(writer{})))
	if len(attrs) == 0 {
		note("changed", []string{"nothing"})
	}
	return attrs
}

// missing lists the URLs in all that are not in of, as they may be shown.
func missing(all, of []string) []string {
	var urls []string
	for _, u := range all {
		if !slices.Contains(of, u) {
			urls = append(urls, secrets.URL(u))
		}
	}
	return urls
}

// identity is what makes an endpoint the same one after a reload.
func (rw *RemoteWrite) identity() string {
	if rw.Name != "" {
		return rw.Name
	}
	return rw.URL
}

// endpointTexts are the endpoints with all their secrets, by identity.
func endpointTexts(c *Config) map[string][]byte {
	texts := make(map[string][]byte, len(c.RemoteWrite))
	for i := range c.RemoteWrite {
		rw := &c.RemoteWrite[i]
		texts[rw.identity()] = encode(rw.node(writer{}))
	}
	return texts
}

// endpointNames are the names or URLs of those endpoints, as they may be shown, whose
// identity is wanted.
func endpointNames(c *Config, wanted func(identity string) bool) []string {
	var names []string
	for i := range c.RemoteWrite {
		switch rw := &c.RemoteWrite[i]; {
		case !wanted(rw.identity()):
		case rw.Name != "":
			names = append(names, rw.Name)
		default:
			names = append(names, secrets.URL(rw.URL))
		}
	}
	return names
}

// changedKeys lists the keys below path whose values differ, but for the lists of
// analyzers and endpoints.
func changedKeys(path string, former, now *yaml.Node) []string {
	if former == nil || now == nil || former.Kind != yaml.MappingNode || now.Kind != yaml.MappingNode {
		if path == "skydive.analyzers" || path == "remote_write" || former != nil && now != nil && bytes.Equal(encode(former), encode(now)) {
			return nil
		}
		return []string{path}
	}
	was, is := children(former), children(now)
	var keys []string
	for _, m := range []*yaml.Node{now, former} {
		for i := 0; i < len(m.Content); i += 2 {
			key := m.Content[i].Value
			if m == former && is[key] != nil {
				continue // compared already
			}
			keys = append(keys, changedKeys(strings.TrimPrefix(path+"."+key, "."), was[key], is[key])...)
		}
	}
	return keys
}

// children are the values of a mapping by key.
func children(m *yaml.Node) map[string]*yaml.Node {
	values := make(map[string]*yaml.Node, len(m.Content)/2)
	for i := 0; i < len(m.Content); i += 2 {
		values[m.Content[i].Value] = m.Content[i+1]
	}
	return values
}
