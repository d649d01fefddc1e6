// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/secrets"
)

// Compare returns attributes of a log line (each an [slog.Attr]) that say how a
// configuration differs from a former one: which analyzers and endpoints were added
// and removed, which endpoints changed, and which other keys. None holds a secret.
func Compare(former, now *Config) []any {
	was, is := partsOf(former), partsOf(now)
	names := map[string][]string{} // by attribute
	for id, p := range is {
		if old, ok := was[id]; !ok {
			names[p.added] = append(names[p.added], p.name)
		} else if old.text != p.text {
			names[p.changed] = append(names[p.changed], p.name)
		}
	}
	for id, p := range was {
		if _, ok := is[id]; !ok {
			names[p.removed] = append(names[p.removed], p.name)
		}
	}
	if len(names) == 0 {
		names["changed"] = []string{"nothing"}
	}
	var attrs []any
	for _, key := range slices.Sorted(maps.Keys(names)) {
		slices.Sort(names[key])
		attrs = append(attrs, slog.String(key, strings.Join(names[key], ", ")))
	}
	return attrs
}

// A part is an analyzer, an endpoint or another key of a configuration.
type part struct {
	name, text              string // as it may be shown; with all its secrets
	added, removed, changed string // the attributes that say so
}

// partsOf returns the parts of a configuration by what makes each the same one.
func partsOf(c *Config) map[string]part {
	parts := map[string]part{}
	for _, u := range c.Skydive.Analyzers {
		parts["analyzer "+u] = part{secrets.URL(u), u, "analyzers_added", "analyzers_removed", ""}
	}
	for i := range c.RemoteWrite {
		rw := &c.RemoteWrite[i]
		parts["endpoint "+rw.identity()] = part{cmp.Or(rw.Name, secrets.URL(rw.URL)), string(encode(writer{}.document(rw))),
			"endpoints_added", "endpoints_removed", "endpoints_changed"}
	}
	var add func(path string, n *yaml.Node)
	add = func(path string, n *yaml.Node) {
		switch {
		case path == "skydive.analyzers" || path == "remote_write":
		case n.Kind == yaml.MappingNode:
			for i := 0; i < len(n.Content); i += 2 {
				add(join(path, n.Content[i].Value), n.Content[i+1])
			}
		default:
			parts["key "+path] = part{path, string(encode(n)), "changed", "changed", "changed"}
		}
	}
	add("", writer{}.document(c))
	return parts
}
