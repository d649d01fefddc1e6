// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/secrets"
)

// masked stands for a secret, in Prometheus' spelling.
const masked = "<secret>"

// Redacted returns the configuration in force as a file in skybridge's own
// format, every key with its value, and every secret replaced by <secret>: what
// a status page shows. Values of headers count as secrets, and so do the user
// part and the query of a URL.
func (c *Config) Redacted() []byte { return redacted(c) }

// Summary returns the keys that have another value than by default, each with what it
// means, for a person to check; secrets are masked as by [Config.Redacted].
func (c *Config) Summary() []byte {
	return encode(writer{mask: true, brief: true, explain: true}.document(c))
}

// Secrets returns what of the configuration is secret, but for what stands in
// files.
func (c *Config) Secrets() []secrets.Secret {
	analyzers := c.Skydive.HTTPClient()
	list := secrets.OfReceiver("", c.Skydive.Headers, &analyzers)
	for _, u := range slices.Concat(c.Skydive.Analyzers, c.Topology.Analyzers) {
		list = append(list, secrets.OfURL(u)...)
	}
	for i := range c.RemoteWrite {
		rw := &c.RemoteWrite[i]
		list = append(list, secrets.OfReceiver(rw.URL, rw.Headers, &rw.HTTPClient)...)
	}
	return list
}

// The types that hold secrets show none, whatever the verb, in slog and in JSON.

// Format shows c as [Config.Redacted] does.
func (c Config) Format(f fmt.State, _ rune) { _, _ = f.Write(redacted(&c)) }

// MarshalText is [Config.Redacted]. The error is always nil.
func (c Config) MarshalText() ([]byte, error) { return redacted(&c), nil }

// Format shows s without its password.
func (s Skydive) Format(f fmt.State, _ rune) { _, _ = f.Write(redacted(&s)) }

// MarshalText shows s without its password. The error is always nil.
func (s Skydive) MarshalText() ([]byte, error) { return redacted(&s), nil }

// Format shows b without its password.
func (b BasicAuth) Format(f fmt.State, _ rune) { _, _ = f.Write(redacted(&b)) }

// MarshalText shows b without its password. The error is always nil.
func (b BasicAuth) MarshalText() ([]byte, error) { return redacted(&b), nil }

// Format shows rw without secrets.
func (rw RemoteWrite) Format(f fmt.State, _ rune) { _, _ = f.Write(redacted(&rw)) }

// MarshalText shows rw without secrets. The error is always nil.
func (rw RemoteWrite) MarshalText() ([]byte, error) { return redacted(&rw), nil }

// redacted returns what is at c, a pointer to a struct of the tree, without secrets.
func redacted(c any) []byte { return encode(writer{mask: true}.document(c)) }

// encode writes a tree as YAML.
func encode(n *yaml.Node) []byte {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		// The trees of this file are made of valid nodes.
		return fmt.Appendf(nil, "# not shown: %v\n", err)
	}
	return b.Bytes()
}

// A writer makes the YAML tree of a configuration.
type writer struct {
	mask    bool // replaces what is secret
	brief   bool // leaves out what has its default
	explain bool // adds each key's line of help
}

// document returns the tree of what is at c, a pointer to a struct.
func (w writer) document(c any) *yaml.Node {
	v := reflect.ValueOf(c).Elem()
	return w.object(v, byDefault(v.Type()))
}

// object returns the mapping of a struct. What of a library's struct has its default
// is always left out.
func (w writer) object(v, fresh reflect.Value) *yaml.Node {
	m := newMapping()
	for _, k := range keysOf(v.Type()) {
		if k.dead() {
			continue
		}
		field, d := v.FieldByIndex(k.index), fresh.FieldByIndex(k.index)
		stanza := k.own && field.Kind() == reflect.Struct
		if (w.brief || !k.own) && !stanza && (w.explain || k.text("brief") != "keep") && reflect.DeepEqual(field.Interface(), d.Interface()) {
			continue
		}
		n := w.value(field, d, k)
		if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
			if field.Kind() == reflect.Struct {
				continue
			}
			n.Style = yaml.FlowStyle
		}
		add(m, k.name, n)
		if w.explain && n.Kind == yaml.ScalarNode {
			n.LineComment = k.text("help")
		}
	}
	return m
}

// value returns the node of a value.
func (w writer) value(v, fresh reflect.Value, k key) *yaml.Node {
	switch value := v.Interface().(type) {
	case time.Duration:
		if value == 0 && k.text("auto") != "" {
			return textNode("auto")
		}
		return textNode(showDuration(value))
	case commoncfg.URL:
		return textNode(w.url(value.String()))
	case commoncfg.Secret:
		return textNode(w.secret(string(value)))
	case commoncfg.Headers:
		return w.mapping(reflect.ValueOf(value.Headers), k)
	case commoncfg.TLSVersion:
		return textNode(value.String())
	case netip.Prefix, ServicePorts, Size, relabel.Regexp:
		return textNode(fmt.Sprint(value))
	case map[string]any:
		var n yaml.Node // a token's claims
		if err := n.Encode(value); err != nil {
			return textNode(masked)
		}
		return &n
	}
	switch v.Kind() {
	case reflect.Pointer:
		return w.value(v.Elem(), byDefault(v.Type().Elem()), k)
	case reflect.Struct:
		return w.object(v, fresh)
	case reflect.Map:
		return w.mapping(v, k)
	case reflect.Slice:
		return w.list(v, k)
	case reflect.String:
		if k.isURL() {
			return textNode(w.url(v.String()))
		}
	}
	return scalarNode(fmt.Sprint(v), v.Kind())
}

// list returns the node of a list.
func (w writer) list(v reflect.Value, k key) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	fresh := byDefault(v.Type().Elem())
	for i := range v.Len() {
		n.Content = append(n.Content, w.value(v.Index(i), fresh, k))
	}
	if elem := v.Type().Elem().Kind(); v.Len() == 0 || elem == reflect.Int || elem == reflect.String && !k.isURL() {
		n.Style = yaml.FlowStyle // words and numbers fit a line, addresses do not
	}
	return n
}

// mapping returns the node of a map, sorted. But for labels, its texts may be secret.
func (w writer) mapping(v reflect.Value, k key) *yaml.Node {
	m := newMapping()
	names := v.MapKeys()
	slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, name := range names {
		value := v.MapIndex(name)
		n := w.value(value, reflect.Zero(value.Type()), key{})
		if value.Kind() == reflect.String && k.text("names") != "external label" {
			n = textNode(w.secret(value.String()))
		}
		if k.text("variables") != "" {
			n.Value = strings.ReplaceAll(n.Value, "$", "$$")
		}
		add(m, name.String(), n)
	}
	return m
}

func (w writer) secret(s string) string {
	if w.mask && s != "" {
		return masked
	}
	return s
}

func (w writer) url(s string) string {
	if w.mask {
		return secrets.URL(s)
	}
	return s
}

func newMapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"} }

func add(m *yaml.Node, key string, value *yaml.Node) {
	m.Content = append(m.Content, textNode(key), value)
}

func textNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.HasPrefix(s, ":") {
		n.Style = yaml.DoubleQuotedStyle // ":9100" needs no quotes, but looks as if it did
	}
	return n
}

// scalarNode returns the node of a boolean, number or text as it is written.
func scalarNode(s string, kind reflect.Kind) *yaml.Node {
	n := textNode(s)
	switch kind {
	case reflect.Bool:
		n.Tag = "!!bool"
	case reflect.Int, reflect.Uint64:
		n.Tag = "!!int"
	}
	return n
}
