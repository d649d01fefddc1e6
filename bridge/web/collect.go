// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"net/url"
	"strings"
)

// part is a set of the page's parts.
type part uint8

const (
	partConnections part = 1 << iota
	partInterfaces
	partCaptures
	partSelf

	partAll = partConnections | partInterfaces | partCaptures | partSelf
)

// parts are the values of collect[], in the order of the page.
func parts() [4]struct {
	name string
	part part
} {
	return [...]struct {
		name string
		part part
	}{
		{"connections", partConnections},
		{"interfaces", partInterfaces},
		{"captures", partCaptures},
		{"self", partSelf},
	}
}

// parseCollect reads collect[] from a query: which parts of the page are asked
// for, all where it is absent. Other parameters mean nothing here. The error is
// for the client.
func parseCollect(rawQuery string) (part, error) {
	if rawQuery == "" {
		return partAll, nil
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return 0, fmt.Errorf("bad query: %w", err)
	}
	names := query["collect[]"]
	if len(names) == 0 {
		return partAll, nil
	}
	var want part
	for _, name := range names {
		p, ok := partNamed(name)
		if !ok {
			if len(name) > 64 { // the answer repeats it
				name = name[:64] + "…"
			}
			return 0, fmt.Errorf("unknown collect[] value %q: valid are %s", name, partNames())
		}
		want |= p
	}
	return want, nil
}

func partNamed(name string) (part, bool) {
	for _, p := range parts() {
		if p.name == name {
			return p.part, true
		}
	}
	return 0, false
}

func partNames() string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}
