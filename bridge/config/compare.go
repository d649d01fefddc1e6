// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
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
			slices.Sort(names)
			attrs = append(attrs, slog.String(key, strings.Join(names, ", ")))
		}
	}
	names := map[string]string{} // as they may be shown, by identity
	added, removed, _ := compareTexts(analyzerTexts(former, names), analyzerTexts(now, names), names)
	note("analyzers_added", added)
	note("analyzers_removed", removed)
	added, removed, changed := compareTexts(endpointTexts(former, names), endpointTexts(now, names), names)
	note("endpoints_added", added)
	note("endpoints_removed", removed)
	note("endpoints_changed", changed)
	was, is := map[string]string{}, map[string]string{}
	keyTexts("", writer{}.document(former), was, names)
	keyTexts("", writer{}.document(now), is, names)
	added, removed, changed = compareTexts(was, is, names)
	note("changed", slices.Concat(added, removed, changed))
	if len(attrs) == 0 {
		note("changed", []string{"nothing"})
	}
	return attrs
}

// compareTexts returns the names of what is only in after, only in before, and other in
// the one than in the other.
func compareTexts(before, after, names map[string]string) (added, removed, changed []string) {
	for id, text := range after {
		if was, ok := before[id]; !ok {
			added = append(added, names[id])
		} else if was != text {
			changed = append(changed, names[id])
		}
	}
	for id := range before {
		if _, ok := after[id]; !ok {
			removed = append(removed, names[id])
		}
	}
	return added, removed, changed
}

func analyzerTexts(c *Config, names map[string]string) map[string]string {
	texts := map[string]string{}
	for _, u := range c.Skydive.Analyzers {
		texts[u], names[u] = u, secrets.URL(u)
	}
	return texts
}

// endpointTexts returns the endpoints with all their secrets, by identity.
func endpointTexts(c *Config, names map[string]string) map[string]string {
	texts := map[string]string{}
	for i := range c.RemoteWrite {
		rw := &c.RemoteWrite[i]
		texts[rw.identity()], names[rw.identity()] = string(encode(writer{}.document(rw))), cmp.Or(rw.Name, secrets.URL(rw.URL))
	}
	return texts
}

// keyTexts adds the values below path to texts, but for the lists of analyzers and
// endpoints.
func keyTexts(path string, n *yaml.Node, texts, names map[string]string) {
	switch {
	case path == "skydive.analyzers" || path == "remote_write":
	case n.Kind == yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			keyTexts(join(path, n.Content[i].Value), n.Content[i+1], texts, names)
		}
	default:
		texts[path], names[path] = string(encode(n)), path
	}
}
