// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/aggregator/label"
)

// Default returns the configuration of a file that sets nothing. It is not
// complete: Skydive.Analyzers, the one required key, is empty.
func Default() Config { return withDefaults[Config]() }

// withDefaults returns a T with its defaults.
func withDefaults[T any]() T { return byDefault(reflect.TypeFor[T]()).Interface().(T) }

// byDefault returns a value of a type with its defaults.
func byDefault(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	setDefaults(v)
	return v
}

func setDefaults(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	r := newReader("", "", Process{})
	for _, k := range keysOf(v.Type()) {
		if field := v.FieldByIndex(k.index); k.text("default") != "" {
			r.value(scalarNode(k.text("default"), field.Kind()), field, k.name, k)
		} else if k.own && !k.dead() {
			setDefaults(field)
		}
	}
	switch c := v.Addr().Interface().(type) { // what has its defaults elsewhere
	case *Skydive:
		c.Others.ProxyFromEnvironment = true
	case *Aggregation:
		c.Labels = label.Default()
	case *RemoteWrite:
		c.HTTPClient = commoncfg.DefaultHTTPClientConfig
		c.RetryOnHTTP = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}
	case *relabel.Config:
		*c = relabel.DefaultRelabelConfig
	}
}

// value reads n, which is not empty, into v.
func (r *reader) value(n *yaml.Node, v reflect.Value, path string, k key) {
	switch dst := v.Addr().Interface().(type) {
	case *time.Duration:
		r.duration(n, dst, path, k)
		return
	case *Size:
		r.size(n, dst, path, k)
		return
	case *netip.Prefix, *ServicePorts, *commoncfg.URL, *commoncfg.TLSVersion, *relabel.Regexp:
		r.text(n, v, path, k)
		return
	case *commoncfg.Headers:
		r.value(n, reflect.ValueOf(&dst.Headers).Elem(), path, k)
		return
	case *map[string]any: // the claims of a token
		if n.Decode(dst) != nil {
			r.fail(path, "must be a mapping with distinct keys", "write its keys on lines of their own, indented")
		}
		return
	case *yaml.Node:
		*dst = *n
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		r.object(n, v, path)
	case reflect.Pointer:
		v.Set(byDefault(v.Type().Elem()).Addr())
		r.value(n, v.Elem(), path, k)
	case reflect.Slice:
		r.list(n, v, path, k)
	case reflect.Map:
		r.mapping(n, v, path, k)
	case reflect.Bool:
		r.boolean(n, v, path)
	case reflect.Int, reflect.Uint64:
		r.integer(n, v, path, k)
	default:
		r.text(n, v, path, k)
	}
}

// object reads a mapping into a struct. What is absent stays as it is.
func (r *reader) object(n *yaml.Node, v reflect.Value, path string) {
	keys := r.keysOf(v.Type())
	for _, p := range r.pairs(n, path) {
		i := indexOf(keys, p.name)
		if i < 0 {
			r.unknownKey(p, keys)
			continue
		}
		switch k := keys[i]; {
		case k.typ == reflect.TypeFor[ignored]():
			r.warn(p.path, "has no effect: "+k.text("help"))
		case k.typ == reflect.TypeFor[unsupported]():
			r.fail(p.path, "is not supported", k.text("help"))
		case !isNull(p.value) && (!r.lenient || p.value.Kind != yaml.ScalarNode || p.value.Value != ""):
			r.value(p.value, v.FieldByIndex(k.index), p.path, k)
		}
	}
}

// A pair is a key of the file with its value.
type pair struct {
	name, path string
	value      *yaml.Node
}

// pairs returns the keys and values of a mapping, in the order of the file.
func (r *reader) pairs(n *yaml.Node, path string) []pair {
	if n.Kind != yaml.MappingNode {
		r.fail(path, "must be a mapping (key: value), it is a "+kindName(n), "write its keys on lines of their own, indented, with a space after each colon")
		return nil
	}
	pairs, at := make([]pair, 0, len(n.Content)/2), make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		p := pair{name: n.Content[i].Value, value: n.Content[i+1]}
		if r.lenient {
			p.name = strings.ToLower(p.name)
		}
		p.path = keyPath(path, p.name)
		first, again := at[p.name]
		former := r.lines[p.path]
		r.lines[p.path] = n.Content[i].Line
		switch {
		case !again:
			at[p.name] = len(pairs)
			pairs = append(pairs, p)
		case r.lenient:
			r.warn(p.path, fmt.Sprintf("stands here and in line %d; the last one counts", former))
			pairs[first] = p
		default:
			r.fail(p.path, fmt.Sprintf("stands here and in line %d", former), "remove one of them")
			r.lines[p.path] = former
		}
	}
	return pairs
}

// keyPath returns the path of a key that the file's writer chose. What does not look
// like a key is not shown: a missing space makes one of "password:pa55word".
func keyPath(path, key string) string {
	switch {
	case word.MatchString(key):
		return join(path, key)
	case path == "":
		return "a key"
	}
	return "a key of " + path
}

// word is what a key or the name of a header looks like.
var word = regexp.MustCompile(`^[\w.-]{1,40}$`)

// unknownKey notes a key that no field has. What it was meant to be is looked for no
// longer than errors are shown: that takes long.
func (r *reader) unknownKey(p pair, keys []key) {
	switch {
	case r.lenient && indexOf(r.keysOf(reflect.TypeFor[Config]()), p.path) >= 0:
		r.warn(p.path, "is not read: of skybridge's own keys only remote_write may stand beside pipeline; make a skybridge.yml with skybridge convert-config")
	case r.lenient:
		r.warn(p.path, "is not read: skybridge has no use for it")
	case strings.HasSuffix(p.name, "_ref"):
		r.fail(p.path, "is not supported", "there is no secret manager here; use the key that ends in _file")
	case !word.MatchString(p.name):
		r.fail(p.path, "is not known", "check its spelling, and that a space follows the colon")
	case r.unknown >= maxErrorsShown:
		r.failLine(r.line(p.path), "unknown key "+p.path, "remove it")
	default:
		r.unknown++
		var known []string
		for _, k := range keys {
			if !k.dead() {
				known = append(known, k.name)
			}
		}
		r.failLine(r.line(p.path), "unknown key "+p.path, suggest(p.name, known))
	}
}

// list reads a list. Items that are not sound are left out, but for stanzas, so that
// the index of each is that of the file.
func (r *reader) list(n *yaml.Node, v reflect.Value, path string, k key) {
	items, elem := n.Content, v.Type().Elem()
	switch {
	case r.lenient && n.Kind == yaml.ScalarNode:
		items = nil
		for word := range strings.FieldsSeq(n.Value) {
			items = append(items, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: word, Line: n.Line})
		}
	case n.Kind == yaml.MappingNode && isStanza(elem):
		r.fail(path, "must be a list, it is a mapping", `write "- " before the first key of each item`)
		return
	case n.Kind != yaml.SequenceNode:
		r.fail(path, "must be a list, it is a "+kindName(n), notVariable(n, `write each item on a line of its own after "- ", or all in [ ]`))
		return
	}
	fresh, seen := byDefault(elem), map[string]bool{}
	out := reflect.MakeSlice(v.Type(), 0, len(items))
	for i, item := range items {
		child, before := fmt.Sprintf("%s[%d]", path, i), len(r.errs)
		r.lines[child] = item.Line
		value := reflect.New(elem).Elem()
		value.Set(fresh)
		if !isNull(item) {
			r.value(item, value, child, k)
		} else if !r.lenient {
			r.fail(child, "is empty", "write a value after the dash, or remove it")
		}
		switch {
		case isStanza(elem):
			out = reflect.Append(out, value)
		case len(r.errs) > before || r.lenient && value.IsZero():
		case k.own && r.again(child, value, seen):
		default:
			out = reflect.Append(out, value)
		}
	}
	r.atMost(out.Len(), path, k)
	if out.Len() > 0 {
		v.Set(out)
	} else {
		v.SetZero()
	}
}

// again notes an item that stood in its list before, and reports whether it did.
func (r *reader) again(path string, value reflect.Value, seen map[string]bool) bool {
	text := fmt.Sprint(value)
	switch {
	case !seen[text]:
		seen[text] = true
		return false
	case value.Kind() == reflect.String && !r.lenient:
		r.fail(path, "is the same as one before it", "remove one of them")
	default:
		r.warn(path, "is the same as one before it")
	}
	return true
}

// atMost notes a list, or the lists of a mapping, that have too many items.
func (r *reader) atMost(items int, path string, k key) {
	if most := k.text("most"); most != "" && int64(items) > bound(most) {
		r.fail(path, fmt.Sprintf("has %d items", items), "list at most "+most)
	}
}

// mapping reads a mapping whose keys are of the operator's choice: labels, headers,
// networks, or the parameters of a request.
func (r *reader) mapping(n *yaml.Node, v reflect.Value, path string, k key) {
	names, seen, of := k.text("names"), map[string]bool{}, map[netip.Prefix]string{}
	for _, p := range r.pairs(n, path) {
		if _, what, remedy := checkText(names, p.name); what != "" {
			r.fail(p.path, what, remedy)
			continue
		}
		item, canonical := reflect.New(v.Type().Elem()).Elem(), http.CanonicalHeaderKey(p.name)
		if !isNull(p.value) {
			r.value(p.value, item, p.path, k)
		}
		prefixes, _ := reflect.TypeAssert[[]netip.Prefix](item)
		for _, prefix := range prefixes {
			if other, again := of[prefix]; again {
				r.fail(p.path, fmt.Sprintf("has %s, and so has the network %s", prefix, quoted(other)), "give each prefix one name; of those that overlap the longest wins")
			}
			of[prefix] = p.name
		}
		switch {
		case k.text("variables") != "" && !isNull(p.value) && item.String() == "": // a label without a value is none
		case names == "header" && seen[canonical]:
			r.fail(p.path, "stands there twice; case does not matter", "remove one of them")
		case isNull(p.value) && k.text("is") != "":
			r.fail(p.path, "has no value", "write one, or remove the "+names)
		default:
			if v.IsNil() {
				v.Set(reflect.MakeMap(v.Type()))
			}
			v.SetMapIndex(reflect.ValueOf(p.name), item)
		}
		seen[canonical] = true
	}
	r.atMost(len(of), path, k)
}
