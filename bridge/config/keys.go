// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/util/strutil"
)

// A key is what the tags of a struct's field say of it.
type key struct {
	name  string
	tag   reflect.StructTag
	typ   reflect.Type
	index []int // of the field
	own   bool  // a field of the tree of this package, not of a library's struct
}

// text returns a tag's value, such as "15s" of default.
func (k key) text(tag string) string { return k.tag.Get(tag) }

// values returns the words that are allowed; empty: any.
func (k key) values() []string { return strings.Fields(k.text("values")) }

// isFile reports whether the value is the name of a file, or a list of such.
func (k key) isFile() bool { return strings.HasSuffix(k.name, "_file") || !k.own && k.name == "files" }

// isURL reports whether the value is a URL, which can hold secrets.
func (k key) isURL() bool {
	return slices.Contains([]string{"analyzer", "receiver", "old analyzer", "token_url"}, k.text("is"))
}

// foreignTags returns the tags of keys whose structs are of prometheus/common/config and
// model/relabel.
func foreignTags(name string) reflect.StructTag {
	return map[string]reflect.StructTag{
		"username":             `is:"username"`,
		"http_headers":         `names:"header" is:"header value"`,
		"proxy_connect_header": `names:"header" is:"header value"`,
		"token_url":            `is:"token_url"`,
		"source_labels":        `is:"label name"`,
		"action":               `values:"replace keep drop keepequal dropequal hashmod labelmap labeldrop labelkeep lowercase uppercase" anycase:"true"`,
		"modulus":              `min:"1" max:"2147483647"`,
	}[name]
}

// keysOf returns the keys of a struct, those of its inlined structs among them. The
// structs of prometheus/common/config and model/relabel have the tag yaml instead; their
// references to a secret manager are left out, for there is none here.
func keysOf(t reflect.Type) []key {
	var keys []key
	for i := range t.NumField() {
		f := t.Field(i)
		tags := f.Tag
		tag, own := tags.Lookup("key")
		if !own {
			tag = tags.Get("yaml")
		}
		name, options, _ := strings.Cut(tag, ",")
		if !own {
			tags = foreignTags(name)
		}
		switch {
		case strings.Contains(options, "inline") && f.Type.Kind() == reflect.Struct:
			for _, k := range keysOf(f.Type) {
				k.index = append([]int{i}, k.index...)
				keys = append(keys, k)
			}
		case name != "" && name != "-" && !strings.HasSuffix(name, "_ref"):
			keys = append(keys, key{name, tags, f.Type, []int{i}, own})
		}
	}
	return keys
}

// indexOf returns the index of the key of that name, or -1.
func indexOf(keys []key, name string) int {
	return slices.IndexFunc(keys, func(k key) bool { return k.name == name })
}

// keysOf is the function of that name, which takes long, once for each type.
func (r *reader) keysOf(t reflect.Type) []key {
	if r.keys[t] == nil {
		r.keys[t] = keysOf(t)
	}
	return r.keys[t]
}

// dead reports whether the key is one of Prometheus' that has no value here.
func (k key) dead() bool {
	return k.typ == reflect.TypeFor[ignored]() || k.typ == reflect.TypeFor[unsupported]()
}

// liveKeys returns the paths of the keys of this package's tree below t that have a
// value, those of a list's items with [] after the list.
func liveKeys(t reflect.Type, path string) []string {
	var paths []string
	for _, k := range keysOf(t) {
		child := join(path, k.name)
		switch {
		case !k.own || k.dead():
		case k.typ.Kind() == reflect.Struct && keysOf(k.typ)[0].own:
			paths = append(paths, liveKeys(k.typ, child)...)
		case k.typ == reflect.TypeFor[[]RemoteWrite]():
			paths = append(paths, liveKeys(k.typ.Elem(), child+"[]")...)
		default:
			paths = append(paths, child)
		}
	}
	return paths
}

// join returns the path of a key in the object at path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// suggest says what an unknown key was probably meant to be. known are those of its
// place.
func suggest(name string, known []string) string {
	matcher := strutil.NewJaroWinklerMatcher(strings.ToLower(name))
	best, score := "", 0.82 // url for uri
	for _, key := range known {
		if s := matcher.Score(key); s > score {
			best, score = key, s
		}
	}
	score = max(score, 0.93) // of a key of another place more is asked
	for _, path := range liveKeys(reflect.TypeFor[Config](), "") {
		if s := matcher.Score(path[strings.LastIndex(path, ".")+1:]); best == "" && s > score {
			best, score = path, s
		}
	}
	switch {
	case best != "":
		return "did you mean " + best + "?"
	case len(known) == 0:
		return "remove it"
	}
	return "known here: " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}
