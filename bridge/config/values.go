// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
)

// scalar returns the text of n, or notes that it is no single value. Numbers and the
// like are taken as they are written, as Prometheus does, so that 0123 stays 0123.
func (r *reader) scalar(n *yaml.Node, path string) (string, bool) {
	if n.Kind == yaml.ScalarNode {
		return n.Value, true
	}
	r.fail(path, "must be one value, it is a "+kindName(n), "put it in quotes if it begins with { or [")
	return "", false
}

// text reads a text, which may have to be one of some words or look like something.
func (r *reader) text(n *yaml.Node, v reflect.Value, path string, k key) {
	if values := k.values(); len(values) > 0 {
		r.choice(n, v, path, values, k.text("anycase") != "")
		return
	}
	s, ok := r.scalar(n, path)
	if !ok {
		return
	}
	if k.isFile() {
		v.SetString(r.fileName(s, path))
		return
	}
	var what, remedy string
	replaced := k.text("variables") != ""
	switch dst := v.Addr().Interface().(type) {
	case *netip.Prefix:
		what, remedy = r.network(s, dst, path)
	case *ServicePorts:
		what, remedy = dst.parse(s)
	case *commoncfg.URL:
		what, remedy = proxyURL(s, dst)
	case *commoncfg.TLSVersion:
		if *dst, ok = commoncfg.TLSVersions[s]; !ok {
			what, remedy = "is no version of TLS: "+quoted(s), "write TLS12 or TLS13"
		}
	case *relabel.Regexp:
		var err error
		if *dst, err = relabel.NewRegexp(s); err != nil {
			what, remedy = "is no regular expression: "+quoted(s), `escape what is meant literally with \, and close every bracket`
		}
	default:
		var text string
		text, what, remedy = checkText(k.text("is"), s)
		if replaced && what == "" {
			if text = r.replaceVariables(s, path); text != "" {
				text, what, remedy = checkText(k.text("is"), text)
			}
		}
		v.SetString(text)
	}
	switch {
	case what != "" && (k.isURL() || replaced):
		r.fail(path, what, remedy)
	case what != "":
		r.fail(path, what, notVariable(n, remedy))
	case variable.MatchString(s) && !replaced && !strings.Contains(path, "relabel_configs"): // whose variables are groups of the expression
		r.warn(path, isVariable+": it is taken as it is")
	}
}

// choice reads one of some words.
func (r *reader) choice(n *yaml.Node, v reflect.Value, path string, values []string, anyCase bool) {
	s, ok := r.scalar(n, path)
	i := slices.IndexFunc(values, func(word string) bool { return word == s || anyCase && strings.EqualFold(word, s) })
	switch {
	case i >= 0:
		v.SetString(values[i])
	case ok && r.lenient:
		r.warn(path, fmt.Sprintf("is %s, which means nothing here: it can be one of %s", quoted(s), strings.Join(values, ", ")))
	case ok:
		r.fail(path, "is unknown: "+quoted(s), notVariable(n, "use one of "+strings.Join(values, ", ")))
	}
}

// mustBe notes that something else stands where a what should, which is never secret.
func (r *reader) mustBe(n *yaml.Node, path, what, remedy string) {
	is := "a " + kindName(n)
	if n.Kind == yaml.ScalarNode {
		is = quoted(n.Value)
	}
	r.fail(path, "must be "+what+", it is "+is, notVariable(n, remedy))
}

// notVariable returns a remedy for the value n, which is another one for a variable.
func notVariable(n *yaml.Node, remedy string) string {
	if variable.MatchString(n.Value) {
		return "environment variables are not expanded; write the value itself"
	}
	return remedy
}

// boolean reads true or false.
func (r *reader) boolean(n *yaml.Node, v reflect.Value, path string) {
	if v.SetBool(strings.EqualFold(n.Value, "true")); n.Tag != "!!bool" {
		r.mustBe(n, path, "true or false", "write one of them, without quotes")
	}
}

// integer reads a whole number.
func (r *reader) integer(n *yaml.Node, v reflect.Value, path string, k key) {
	var i int64
	f, err := strconv.ParseFloat(n.Value, 64)
	huge := math.Abs(f) >= 1e15
	switch {
	case n.Tag == "!!int" && n.Decode(&i) == nil:
	case n.Tag == "!!int" || n.Tag == "!!float" && err == nil && huge:
		i = math.MinInt64 // out of every bounds
	case err == nil && f == math.Trunc(f) && !huge:
		r.mustBe(n, path, "a whole number", fmt.Sprintf("write %.0f", f))
		return
	default:
		r.mustBe(n, path, "a whole number", "write digits only, without quotes")
		return
	}
	if r.within(i, n, path, k, "number"); v.CanUint() {
		v.SetUint(uint64(i))
	} else {
		v.SetInt(i)
	}
}

// bound returns the value of a tag: a duration, a size or a number.
func bound(s string) int64 {
	if d, err := model.ParseDuration(s); err == nil {
		return int64(d)
	}
	size, _ := parseSize(s) // a test reads every tag
	return int64(size)
}

// within notes a value that is not within the bounds of its key.
func (r *reader) within(v int64, n *yaml.Node, path string, k key, kind string) {
	low, high, zero := k.text("min"), k.text("max"), k.text("zero")
	if v >= bound(low) && v <= bound(high) || v == 0 && zero != "" {
		return
	}
	remedy := fmt.Sprintf("write a %s from %s to %s", kind, low, high)
	if zero != "" {
		remedy += ", or 0 for " + zero
	}
	if why := k.text("because"); why != "" {
		remedy += ": " + why
	}
	r.fail(path, "is "+quoted(n.Value), remedy)
}

// duration reads a duration in Prometheus' syntax.
func (r *reader) duration(n *yaml.Node, dst *time.Duration, path string, k key) {
	if n.Value == "auto" && k.text("auto") != "" {
		*dst = 0
		return
	}
	d, err := model.ParseDuration(n.Value)
	if n.Kind == yaml.ScalarNode && err == nil {
		*dst = time.Duration(d)
		r.within(int64(d), n, path, k, "duration")
		return
	}
	remedy := "write numbers with the units ms, s, m, h or d, such as 15s or 1m30s"
	if _, err := strconv.ParseUint(n.Value, 10, 32); err == nil {
		remedy = fmt.Sprintf("add a unit; for seconds write %ss", n.Value)
	} else if d, err := time.ParseDuration(n.Value); err == nil && d > 0 && strings.Contains(n.Value, ".") {
		remedy = "whole numbers are wanted; write " + showDuration(d)
	} else if strings.Contains(n.Value, ".") {
		remedy = "whole numbers are wanted, with the units ms, s, m, h or d, such as 1h30m"
	}
	r.mustBe(n, path, "a duration", remedy)
}

// showDuration writes a duration as [model.ParseDuration] reads it; parts of a
// millisecond are cut.
func showDuration(d time.Duration) string { return model.Duration(d).String() }

// size reads a size.
func (r *reader) size(n *yaml.Node, dst *Size, path string, k key) {
	size, ok := parseSize(n.Value)
	if *dst = size; !ok {
		r.mustBe(n, path, "a size in bytes", "write a whole number with one of the units B, KB, MB, GB or TB, such as 512MB")
	} else {
		r.within(int64(size), n, path, k, "size")
	}
}
