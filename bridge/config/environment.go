// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// This file has what environment variables say. The old connector read each key of its
// file from a variable too, which won: SKYDIVE_PIPELINE_SUBSCRIBER_URL is
// pipeline.subscriber.url.

const (
	oldPrefix = "SKYDIVE_"
	// environment stands for the name of a file in errors and warnings of variables.
	environment = "environment"
	// withoutFile is the old connector's file where variables are the whole configuration.
	withoutFile = "pipeline: {store: {type: prom_sky_con}}"
)

// ofService matches the variables that Kubernetes makes for the Services of a namespace,
// such as SKYDIVE_ANALYZER_SERVICE_HOST.
var ofService = regexp.MustCompile(`_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

// variables returns environment variables by name. One that is empty or blank counts as
// not set, as with the old connector.
func (p Process) variables() map[string]string {
	set := map[string]string{}
	for _, text := range p.Environ {
		if name, value, _ := strings.Cut(text, "="); strings.TrimSpace(value) != "" {
			set[name] = value
		}
	}
	return set
}

// An oldKey is a key of the old connector's file with its path and its variable.
type oldKey struct {
	key
	path, variable string
}

// oldKeys returns the keys below t that have no keys of their own.
func oldKeys(t reflect.Type, path string) []oldKey {
	var keys []oldKey
	for _, k := range keysOf(t) {
		child := join(path, k.name)
		switch {
		case k.typ == reflect.TypeFor[yaml.Node](): // remote_write is skybridge's
		case k.typ.Kind() == reflect.Struct && !k.dead():
			keys = append(keys, oldKeys(k.typ, child)...)
		default:
			keys = append(keys, oldKey{k, child, oldPrefix + strings.ToUpper(strings.ReplaceAll(child, ".", "_"))})
		}
	}
	return keys
}

// overlay puts the values of variables into the tree of an old file.
func (r *reader) overlay(root *yaml.Node) {
	set := r.process.variables()
	unread := map[string]string{oldPrefix + "PIPELINE_": "is not read: skybridge has no use for it"} // by prefix
	for _, k := range oldKeys(reflect.TypeFor[legacyFile](), "") {
		value, ok := set[k.variable]
		switch {
		case k.dead():
			unread[k.variable+"_"] = "has no effect: " + k.text("help")
		case ok:
			put(root, k.path, valueNode(value, k.typ))
			if r.variables[k.path] = k.variable; !utf8.ValidString(value) {
				r.fail(k.path, "is not valid UTF-8", "write it as UTF-8")
			}
			delete(set, k.variable)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		for prefix, what := range unread {
			if strings.HasPrefix(name, prefix) && !ofService.MatchString(name) {
				r.warnVariable(name + " " + what)
			}
		}
	}
}

// put sets the value at a path in a mapping that is read leniently.
func put(n *yaml.Node, path string, value *yaml.Node) {
	name, rest, below := strings.Cut(path, ".")
	var section *yaml.Node
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		switch {
		case !strings.EqualFold(n.Content[i].Value, name):
		case !below:
			n.Content = slices.Delete(n.Content, i, i+2)
		case section == nil: // the last of equal keys counts
			section = n.Content[i+1]
		}
	}
	switch {
	case !below:
		add(n, name, value)
		return
	case section == nil:
		section = newMapping()
		add(n, name, section)
	case section.Kind == yaml.ScalarNode && (isNull(section) || section.Value == ""):
		*section = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: section.Line}
	}
	if section.Kind == yaml.MappingNode { // another kind is an error of the file
		put(section, rest, value)
	}
}

// valueNode returns a variable's value as it would stand in the file. The old connector
// split lists at white space; commas are taken too.
func valueNode(value string, t reflect.Type) *yaml.Node {
	if t.Kind() != reflect.Slice {
		return textNode(value)
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for item := range strings.FieldsSeq(strings.ReplaceAll(value, ",", " ")) {
		list.Content = append(list.Content, textNode(item))
	}
	return list
}

// ignoreVariables warns of the old connector's variables beside a file of skybridge's own.
func (r *reader) ignoreVariables() {
	set, names := r.process.variables(), []string(nil)
	for _, k := range oldKeys(reflect.TypeFor[legacyFile](), "") {
		if _, ok := set[k.variable]; ok {
			names = append(names, k.variable)
		}
	}
	if len(names) > 0 {
		r.warnVariable(strings.Join(names, ", ") + ": not read, for they replace keys of the old connector's file only; set the keys in " + r.name)
	}
}

// instead reports whether variables name the feed, so that no file is needed.
func (p Process) instead() bool {
	set := p.variables()
	return p.Optional && strings.Trim(set["SKYDIVE_PIPELINE_SUBSCRIBER_URL"]+set["SKYDIVE_ANALYZERS"], ", ") != ""
}

func (r *reader) warnVariable(text string) {
	r.warnings = append(r.warnings, Warning{File: environment, Text: text})
}

// replaceVariables replaces $NAME and ${NAME} by the values of variables and $$ by a
// dollar, as Prometheus does in external labels.
func (r *reader) replaceVariables(s, path string) string {
	set := r.process.variables()
	if plain := strings.ReplaceAll(s, "$$", ""); strings.LastIndex(plain, "${") > strings.LastIndex(plain, "}") {
		r.warn(path, "has ${ without }, which is left out: write ${NAME}, or $$ for a dollar")
	}
	return os.Expand(s, func(name string) string {
		switch value, ok := set[name]; {
		case name == "$":
			return "$"
		case !ok:
			r.warn(path, "has the variable "+name+", which is not set or empty: it is replaced by nothing")
			return ""
		default:
			return value
		}
	})
}
