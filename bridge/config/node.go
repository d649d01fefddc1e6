// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An object is a mapping of the file that is being read key by key. What was
// not taken in the end is unknown.
type object struct {
	r *reader
	// path is the object's key with those above it, "" for the whole file.
	path string
	line int
	// lenient marks the objects of prom_sky_con.yml, read as its own program
	// read them: keys in any case, the last of equal ones wins, and what is
	// unknown is a warning.
	lenient bool
	// broken is true where something else stands, which has been noted.
	broken bool
	pairs  []pair
	at     map[string]int // index in pairs, by name
	asked  []string
}

type pair struct {
	name       string // lower case in a lenient object
	key, value *yaml.Node
	taken      bool
	faulty     bool // an error below has been noted
}

// object begins to read n, which may be nil or empty.
func (r *reader) object(n *yaml.Node, path string, lenient bool) *object {
	o := &object{r: r, path: path, lenient: lenient}
	if isNull(n) {
		return o
	}
	o.line = n.Line
	if n.Kind != yaml.MappingNode {
		r.fail(n.Line, fmt.Sprintf("%s must be a mapping (key: value), it is a %s", path, kindName(n)),
			"write its keys on lines of their own, indented, with a space after each colon")
		o.broken = true
		return o
	}
	o.at = make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		p := pair{name: n.Content[i].Value, key: n.Content[i], value: n.Content[i+1]}
		if lenient {
			p.name = strings.ToLower(p.name)
		}
		first, again := o.at[p.name]
		switch {
		case !again:
			o.at[p.name] = len(o.pairs)
			o.pairs = append(o.pairs, p)
		case lenient:
			r.warn(p.key.Line, fmt.Sprintf("%s stands here and in line %d; the last one counts", o.label(p.name), o.pairs[first].key.Line))
			o.pairs[first] = p
		default:
			r.fail(p.key.Line, fmt.Sprintf("%s stands here and in line %d", o.label(p.name), o.pairs[first].key.Line), "remove one of them")
		}
	}
	return o
}

// join returns the path of a key.
func (o *object) join(key string) string {
	if o.path == "" {
		return key
	}
	return o.path + "." + key
}

// label returns the path of a key that the file's writer chose, for a message.
// What does not look like a key is not shown: a missing space makes one of
// "password:pa55word".
func (o *object) label(key string) string {
	if wordy(key) {
		return o.join(key)
	}
	if o.path == "" {
		return "a key"
	}
	return "a key of " + o.path
}

// alphanumeric reports whether c is an ASCII letter or digit.
func alphanumeric(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// wordy reports whether s looks like a key or the name of a header.
func wordy(s string) bool {
	if s == "" || len(s) > 40 {
		return false
	}
	for _, c := range s {
		if !alphanumeric(c) && !strings.ContainsRune("_-.", c) {
			return false
		}
	}
	return true
}

// pair returns the pair of key, or nil where there is none.
func (o *object) pair(key string) *pair {
	if i, ok := o.at[key]; ok {
		return &o.pairs[i]
	}
	return nil
}

// take returns the value of key, or nil where it is absent or empty.
func (o *object) take(key string) *yaml.Node {
	o.asked = append(o.asked, key)
	p := o.pair(key)
	if p == nil {
		return nil
	}
	p.taken = true
	if isNull(p.value) {
		return nil
	}
	return p.value
}

// names returns the keys, in the order of the file.
func (o *object) names() []string {
	names := make([]string, len(o.pairs))
	for i, p := range o.pairs {
		names[i] = p.name
	}
	return names
}

// has reports whether key has a value. It does not take it.
func (o *object) has(key string) bool {
	p := o.pair(key)
	return p != nil && !isNull(p.value)
}

// setFaulty says whether there are errors below key.
func (o *object) setFaulty(key string, faulty bool) {
	if p := o.pair(key); p != nil {
		p.faulty = faulty
	}
}

// sound reports whether key has a value without errors below it.
func (o *object) sound(key string) bool {
	p := o.pair(key)
	return p != nil && !isNull(p.value) && !p.faulty
}

// lineOf returns the line of key, or that of the object where key is absent.
func (o *object) lineOf(key string) int {
	if p := o.pair(key); p != nil {
		return p.key.Line
	}
	return o.line
}

// child begins to read the mapping at key.
func (o *object) child(key string) *object {
	c := o.r.object(o.take(key), o.join(key), o.lenient)
	if c.line == 0 || o.has(key) {
		c.line = o.lineOf(key)
	}
	return c
}

// text sets dst to the text of key. Numbers and the like are taken as they are
// written, as Prometheus does, so that 0123 stays 0123.
func (o *object) text(key string, dst *string) {
	n := o.take(key)
	if n == nil {
		return
	}
	if s, ok := o.r.scalar(n, o.join(key)); ok {
		*dst = s
	}
}

// scalar returns the text of n, or notes that it is no single value.
func (r *reader) scalar(n *yaml.Node, path string) (string, bool) {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		return n.Value, true
	}
	r.fail(n.Line, fmt.Sprintf("%s must be one value, it is a %s", path, kindName(n)),
		"put it in quotes if it begins with { or [")
	return "", false
}

// list returns the items of key, none of them empty.
func (o *object) list(key string) []*yaml.Node {
	n := o.take(key)
	if n == nil {
		return nil
	}
	path := o.join(key)
	if o.lenient && n.Kind == yaml.ScalarNode {
		// The old program's reader split a text at white space.
		items := []*yaml.Node{}
		for word := range strings.FieldsSeq(n.Value) {
			items = append(items, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: word, Line: n.Line})
		}
		return items
	}
	if n.Kind != yaml.SequenceNode {
		o.r.fail(n.Line, fmt.Sprintf("%s must be a list, it is a %s", path, kindName(n)), `write each item on a line of its own after "- ", or all in [ ]`)
		return nil
	}
	var items []*yaml.Node
	for _, item := range n.Content {
		switch {
		case !isNull(item):
			items = append(items, item)
		case !o.lenient:
			o.r.fail(item.Line, path+" has an empty item", "write a value after the dash, or remove it")
		}
	}
	return items
}

// texts returns the items of key that are single values.
func (o *object) texts(key string) []item {
	var items []item
	for _, n := range o.list(key) {
		if s, ok := o.r.scalar(n, "an item of "+o.join(key)); ok {
			items = append(items, item{s, n.Line})
		}
	}
	return items
}

// set holds what a list had so far. The list itself must not be searched for each
// of its items: long ones would take seconds.
type set[T comparable] map[T]struct{}

// add reports whether v is new.
func (s set[T]) add(v T) bool {
	before := len(s)
	s[v] = struct{}{}
	return len(s) > before
}

// An item is one text of a list.
type item struct {
	text string
	line int
}

// quoted returns a value of the file for a message, shortened. It must only be
// used where the key cannot hold a secret; what may be a URL with a user part,
// put in the wrong place, is not shown even so.
func quoted(s string) string {
	const most = 60
	if strings.Contains(s, "@") {
		return "something with an @"
	}
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
