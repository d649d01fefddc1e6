// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"maps"
	"reflect"
	"slices"

	commoncfg "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/secrets"
)

// fields adds to m the fields of a struct of prometheus/common/config that
// differ from those of byDefault. It is the counterpart of [reader.fields]; the
// structs' own marshalling can only hide all secrets of a process or none.
func (w writer) fields(m *yaml.Node, v, byDefault reflect.Value) *yaml.Node {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		name, inline := yamlName(field)
		switch {
		case inline:
			w.fields(m, v.Field(i), byDefault.Field(i))
		case field.Type == reflect.TypeFor[commoncfg.TLSConfig]():
			w.putMap(m, name, w.fields(mapping(), v.Field(i), byDefault.Field(i)))
		case name == "token_url" && v.Field(i).Len() > 0:
			add(m, name, textNode(w.url(v.Field(i).String())))
		case !reflect.DeepEqual(v.Field(i).Interface(), byDefault.Field(i).Interface()):
			add(m, name, w.node(v.Field(i)))
		}
	}
	return m
}

// node returns the node of one field's value.
func (w writer) node(v reflect.Value) *yaml.Node {
	switch value := v.Interface().(type) {
	case commoncfg.URL:
		if w.mask {
			return textNode(secrets.URL(value.String()))
		}
		return textNode(value.String())
	case commoncfg.Secret:
		return textNode(w.secret(string(value)))
	case commoncfg.TLSVersion:
		return textNode(value.String())
	case commoncfg.Headers:
		return w.pairs(reflect.ValueOf(value.Headers))
	case map[string]any:
		var n yaml.Node // a token's claims
		if err := n.Encode(value); err != nil {
			return textNode(masked)
		}
		return &n
	}
	switch v.Kind() {
	case reflect.Pointer:
		return w.node(v.Elem())
	case reflect.Struct:
		return w.fields(mapping(), v, reflect.Zero(v.Type()))
	case reflect.Map:
		return w.pairs(v)
	case reflect.Slice:
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			list.Content = append(list.Content, w.node(v.Index(i)))
		}
		return list
	case reflect.Bool:
		return plainNode("!!bool", v.Bool())
	}
	return textNode(v.String())
}

// pairs returns a mapping with text keys, sorted. Of texts (endpoint_params of
// OAuth2) each may be a password.
func (w writer) pairs(v reflect.Value) *yaml.Node {
	m := mapping()
	keys := map[string]reflect.Value{}
	for _, key := range v.MapKeys() {
		keys[key.String()] = v.MapIndex(key)
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value := keys[key]
		if value.Kind() == reflect.String {
			add(m, key, textNode(w.secret(value.String())))
		} else {
			add(m, key, w.node(value))
		}
	}
	return m
}
