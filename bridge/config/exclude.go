// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
)

// maxExcludes bounds the lists of what is excluded: each item has a counter.
const maxExcludes = 1000

// excludes reads what is not exported.
func (r *reader) excludes(o *object, c *Aggregation) {
	c.ExcludeClasses = r.words(o, "exclude_classes", "class", flowClasses(), func(s string) string { return s })
	r.nothingLeft(o.lineOf("exclude_classes"), o.join("exclude_classes"), c)
	c.ExcludeNetworks = r.prefixes(o, "exclude_networks")
	c.ExcludeProtocols = r.words(o, "exclude_protocols", "protocol", protocols(), strings.ToUpper)
	if len(c.ExcludeProtocols) == len(protocols()) {
		r.warn(o.lineOf("exclude_protocols"), "aggregation.exclude_protocols names every protocol: no connection is left")
	}
	seen := set[string]{}
	for _, it := range o.texts("exclude_applications") {
		switch {
		case !labelValue(it.text):
			r.fail(it.line, "aggregation.exclude_applications has a name that is empty, longer than 256 bytes or cannot be printed", "write Skydive's word, such as DNS or VXLAN")
		case !seen.add(it.text):
			r.fail(it.line, fmt.Sprintf("aggregation.exclude_applications has %s twice", quoted(it.text)), "remove one of them")
		default:
			c.ExcludeApplications = append(c.ExcludeApplications, it.text)
		}
	}
	for key, n := range map[string]int{"exclude_networks": len(c.ExcludeNetworks), "exclude_applications": len(c.ExcludeApplications)} {
		if n > maxExcludes {
			r.fail(o.lineOf(key), fmt.Sprintf("%s has %d items", o.join(key), n), fmt.Sprintf("list at most %d", maxExcludes))
		}
	}
}

// words reads a list of known words, each once.
func (r *reader) words(o *object, key, what string, known []string, spell func(string) string) (words []string) {
	for _, it := range o.texts(key) {
		word := spell(it.text)
		switch {
		case !slices.Contains(known, word):
			r.fail(it.line, fmt.Sprintf("%s has the unknown %s %s", o.join(key), what, quoted(it.text)), "use "+strings.Join(known, ", "))
		case slices.Contains(words, word):
			r.fail(it.line, fmt.Sprintf("%s has %s twice", o.join(key), word), "remove one of them")
		default:
			words = append(words, word)
		}
	}
	return words
}

// nothingLeft warns where exclude_classes leaves no connection.
func (r *reader) nothingLeft(line int, path string, c *Aggregation) {
	switch {
	case len(c.ExcludeClasses) == len(flowClasses()):
		r.warn(line, path+" names every class: no connection is left")
	case len(c.ClusterNetworks) == 0 && slices.Contains(c.ExcludeClasses, "other"):
		r.warn(line, path+" names other, and without cluster networks every connection is of that class: none is left")
	}
}
