// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/internal/docs"
)

// TestReference proves that the generated parts of the reference, the list of defaults
// and a table of keys for each section, are those of the tree of tags; -update writes
// them.
func TestReference(t *testing.T) {
	const file = "../../docs/reference/configuration.md"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts, want := referenceParts(), string(data)
	for name, part := range parts {
		begin, end := "<!-- generated: "+name+" -->\n", "<!-- end -->\n"
		before, rest, ok1 := strings.Cut(want, begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s lacks %s", file, begin)
		}
		want = before + begin + part + end + after
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if d := cmp.Diff(want, string(data)); d != "" {
		t.Errorf("%s (-want +got, write it with -update):\n%s", file, d)
	}
}

func referenceParts() map[string]string {
	c := Default()
	c.Skydive.Analyzers = []string{"ws://127.0.0.1:8082"}
	c.RemoteWrite = []RemoteWrite{defaultRemoteWrite("http://127.0.0.1:9090/api/v1/write")}
	defaults := encode(writer{}.document(&c))
	parts := map[string]string{"defaults": "```yaml\n" + string(defaults) + "```\n"}
	for _, k := range keysOf(reflect.TypeFor[Config]()) {
		v, ignoredKeys, unsupportedKeys := reflect.ValueOf(c).FieldByIndex(k.index), []string(nil), []string(nil)
		if v.Kind() == reflect.Slice {
			v = v.Index(0)
		}
		table := "| key | default | allowed | meaning |\n|---|---|---|---|\n"
		var walk func(v reflect.Value, prefix string)
		walk = func(v reflect.Value, prefix string) {
			for _, k := range keysOf(v.Type()) {
				switch name := "`" + prefix + k.name + "`"; {
				case k.typ == reflect.TypeFor[ignored]():
					ignoredKeys = append(ignoredKeys, name)
				case k.typ == reflect.TypeFor[unsupported]():
					unsupportedKeys = append(unsupportedKeys, name)
				case k.own && k.typ.Kind() == reflect.Struct && keysOf(k.typ)[0].own:
					walk(v.FieldByIndex(k.index), prefix+k.name+".")
				case k.own:
					table += fmt.Sprintf("| %s | %s | %s | %s |\n", name, defaultText(k, v.FieldByIndex(k.index)), allowed(k), k.text("help"))
				}
			}
		}
		walk(v, "")
		if ignoredKeys != nil {
			table += "\n" + strings.Join(ignoredKeys, ", ") + " are accepted with a warning that says why they\nhave no effect. " +
				strings.Join(unsupportedKeys, ", ") + " are errors.\n"
		}
		parts[k.name] = table
	}
	return parts
}

// defaultText shows the default of a key.
func defaultText(k key, v reflect.Value) string {
	if k.text("required") != "" && k.text("is") != "label" {
		return "required"
	}
	n := writer{}.value(v, reflect.Zero(v.Type()), k)
	if n.Kind == yaml.MappingNode {
		n.Style = yaml.FlowStyle
	}
	return "`" + strings.TrimSpace(string(encode(n))) + "`"
}

// allowed says which values a key may have.
func allowed(k key) string {
	var parts []string
	if low := k.text("min"); low != "" {
		parts = append(parts, low+" to "+k.text("max"))
	}
	for _, tag := range []struct{ name, format string }{{"zero", "0: %s"}, {"upto", "at most `%s`"}, {"auto", "`auto`: %s"}, {"most", "at most %s"}} {
		if text := k.text(tag.name); text != "" {
			parts = append(parts, fmt.Sprintf(tag.format, text))
		}
	}
	if values := k.values(); len(values) > 0 {
		parts = append(parts, "`"+strings.Join(values, "`, `")+"`")
	}
	return strings.Join(parts, "; ")
}

// TestTags proves of every key that it can be explained, and that the values in its
// tags are values of its type: its default within its bounds.
func TestTags(t *testing.T) {
	known := []string{"key", "default", "min", "max", "upto", "zero", "auto", "values", "anycase", "is", "variables", "names", "most", "because", "required", "brief", "help"}
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for _, k := range keysOf(typ) {
			child := join(path, k.name)
			if !k.own {
				continue
			}
			for _, tag := range regexp.MustCompile(`(\w+):"`).FindAllStringSubmatch(string(k.tag), -1) {
				if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+tag[1]+" ") {
					t.Errorf("%s has the unknown tag %s", child, tag[1])
				}
			}
			switch {
			case k.typ.Kind() == reflect.Struct && len(keysOf(k.typ)) > 0 && keysOf(k.typ)[0].own:
				walk(k.typ, child)
				continue
			case k.typ == reflect.TypeFor[[]RemoteWrite]():
				walk(k.typ.Elem(), child)
			}
			if k.text("help") == "" {
				t.Errorf("%s has no line of help", child)
			}
			for _, tag := range []string{"default", "min", "max"} {
				if k.text(tag) == "" {
					continue
				}
				typ := k.typ
				if typ.Kind() == reflect.Slice {
					typ = typ.Elem() // the bounds are its items'
				}
				r, v := newReader("f", "", Process{}), reflect.New(typ).Elem()
				r.value(scalarNode(k.text(tag), v.Kind()), v, child, k)
				if len(r.errs) > 0 || v.IsZero() && k.text(tag) != "0s" {
					t.Errorf("tag %s: %v", tag, r.errs)
				}
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	// A key is one line: a slip in a tag is no key.
	if n := len(liveKeys(reflect.TypeFor[Config](), "")); n < 50 {
		t.Errorf("%d keys", n)
	}
}

// TestWordsAreTheAggregators proves that the words that a key allows are those that the
// aggregator knows: another would be read and have no effect.
func TestWordsAreTheAggregators(t *testing.T) {
	var classes []string
	for _, c := range label.Classes() {
		classes = append(classes, string(c))
	}
	words := map[string][]string{
		"ports":             {string(label.KeepPorts), string(label.DropPorts), string(label.ServicePorts)},
		"observers":         {string(aggregator.ObserversAll), string(aggregator.ObserversOne)},
		"tunnels":           {string(aggregator.TunnelsBoth), string(aggregator.TunnelsInner), string(aggregator.TunnelsOuter)},
		"portless":          {string(aggregator.PortlessSkip), string(aggregator.PortlessCount)},
		"exclude_classes":   classes,
		"exclude_protocols": label.Protocols(),
	}
	for _, k := range keysOf(reflect.TypeFor[Aggregation]()) {
		if d := cmp.Diff(words[k.name], k.values(), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-aggregator +tag)\n%s", k.name, d)
		}
	}
	filter, _ := reflect.TypeFor[legacyFile]().FieldByName("Pipeline")
	filter, _ = filter.Type.FieldByName("Filter")
	if d := cmp.Diff(classes, keysOf(filter.Type)[0].values()); d != "" {
		t.Errorf("excluded_tags (-aggregator +tag)\n%s", d)
	}
}

// TestExamplesOfTheDocs reads every configuration that the docs show, as check-config
// does.
func TestExamplesOfTheDocs(t *testing.T) {
	pages, err := docs.Pages("../..")
	if err != nil {
		t.Fatal(err)
	}
	found, legacy := 0, 0
	for _, page := range pages {
		for _, block := range page.Blocks("yaml") {
			file, example := page.Path, block.Text
			if !regexp.MustCompile(`(?m)^(skydive|pipeline):`).MatchString(example) {
				continue // Skydive's or Prometheus' own file: internal/docs
			}
			if strings.Contains(example, "pipeline:") {
				legacy++
			}
			found++
			if _, warnings, err := parse(file, []byte(example), "CLUSTER=berlin"); err != nil || len(warnings) > 0 {
				t.Errorf("%v %v\n%s", err, warnings, example)
			}
		}
	}
	if found < 24 || legacy == 0 {
		t.Errorf("%d examples found in the docs, %d of them of the old connector's file; want 24 at least, and one", found, legacy)
	}
}
