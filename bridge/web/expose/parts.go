// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Parts is a set of the page's parts.
type Parts uint8

// The parts, in the order of the page.
const (
	Connections Parts = 1 << iota
	Interfaces
	Captures
	Self

	allParts = Connections | Interfaces | Captures | Self
)

// PartNames lists the values of collect[], in the order of the parts.
func PartNames() []string { return []string{"connections", "interfaces", "captures", "self"} }

// ParseParts reads collect[] from a query: which parts of the page are asked
// for, all where it is absent. Other parameters mean nothing here. The error is
// for the client.
func ParseParts(rawQuery string) (Parts, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return 0, fmt.Errorf("bad query: %w", err)
	}
	names := query["collect[]"]
	if len(names) == 0 {
		return allParts, nil
	}
	var want Parts
	for _, name := range names {
		i := slices.Index(PartNames(), name)
		if i < 0 {
			if len(name) > 64 { // the answer repeats it
				name = name[:64] + "…"
			}
			return 0, fmt.Errorf("unknown collect[] value %q: valid are %s", name, strings.Join(PartNames(), ", "))
		}
		want |= 1 << i
	}
	return want, nil
}
