// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
)

// special reads values of the types that are not read by their kind, and reports
// whether this is one.
func (r *reader) special(n *yaml.Node, dst any, path string, k key) bool {
	switch dst := dst.(type) {
	case *time.Duration:
		r.duration(n, dst, path, k)
	case *Size:
		r.size(n, dst, path, k)
	case *netip.Prefix:
		r.network(n, dst, path)
	case *commoncfg.URL:
		r.proxyURL(n, dst, path)
	case *commoncfg.TLSVersion:
		s, ok := r.scalar(n, path)
		version, known := commoncfg.TLSVersions[s]
		if *dst = version; ok && !known {
			r.fail(path, "is no version of TLS: "+quoted(s), "write TLS12 or TLS13")
		}
	case *commoncfg.Headers:
		r.value(n, reflect.ValueOf(&dst.Headers).Elem(), path, k)
	case *relabel.Regexp:
		s, _ := r.scalar(n, path)
		re, err := relabel.NewRegexp(s)
		if *dst = re; err != nil {
			r.fail(path, "is no regular expression: "+quoted(s), `escape what is meant literally with \, and close every bracket`)
		}
	case *map[string]any: // the claims of a token
		if n.Decode(dst) != nil {
			r.fail(path, "must be a mapping with distinct keys", "write its keys on lines of their own, indented")
		}
	default:
		return false
	}
	return true
}

// scalar returns the text of n, or notes that it is no single value. Numbers and the
// like are taken as they are written, as Prometheus does, so that 0123 stays 0123.
func (r *reader) scalar(n *yaml.Node, path string) (string, bool) {
	if n.Kind == yaml.ScalarNode {
		return n.Value, true
	}
	r.fail(path, "must be one value, it is a "+kindName(n), "put it in quotes if it begins with { or [")
	return "", false
}

// noVariable warns of a text that looks like an environment variable.
func (r *reader) noVariable(s, path string) {
	if variable.MatchString(s) {
		r.warn(path, isVariable+": it is taken as it is")
	}
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
	text, what, remedy := checkText(k.text("is"), s)
	switch {
	case what != "" && !k.isURL():
		r.fail(path, what, notVariable(n, remedy))
	case what != "":
		r.fail(path, what, remedy)
	case !strings.Contains(path, "relabel_configs"): // whose variables are groups of the expression
		r.noVariable(s, path)
	}
	v.SetString(text)
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

const sizeUnits = "BKMGT"

// String returns s as it is read.
func (s Size) String() string {
	i := 0
	for ; i+1 < len(sizeUnits) && s != 0 && s%1024 == 0; i++ {
		s /= 1024
	}
	return strconv.FormatInt(int64(s), 10) + strings.TrimSuffix(sizeUnits[i:i+1], "B") + "B"
}

// size reads a size.
func (r *reader) size(n *yaml.Node, dst *Size, path string, k key) {
	size, ok := parseSize(n.Value)
	if *dst = size; !ok {
		r.mustBe(n, path, "a size in bytes", "write a whole number with one of the units B, KB, MB, GB or TB, such as 512MB")
	} else {
		r.within(int64(size), n, path, k, "size")
	}
}

var sizeSyntax = regexp.MustCompile(`^(?i)(\d+) *(?:([KMGT])i?B|B?)$`)

// parseSize reads digits and a unit; without a unit, bytes.
func parseSize(s string) (Size, bool) {
	m := sizeSyntax.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseInt(m[1], 10, 64)
	shift := 10 * max(strings.Index(sizeUnits, strings.ToUpper(m[2])), 0)
	return Size(v << shift), err == nil && v <= math.MaxInt64>>shift
}

// network reads a network, in its shortest form.
func (r *reader) network(n *yaml.Node, dst *netip.Prefix, path string) {
	s, ok := r.scalar(n, path)
	if !ok {
		return
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		remedy := "write address/bits, such as 10.0.0.0/8 or fd00::/8"
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			remedy = fmt.Sprintf("for this one address write %s/%d", a, a.BitLen())
		}
		r.fail(path, fmt.Sprintf("is %s, which is no network", quoted(s)), notVariable(n, remedy))
		return
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if m := p.Masked(); m != p {
		r.warn(path, fmt.Sprintf("is %s, which is read as %s", p, m))
		p = m
	}
	*dst = p
}

// proxyURL reads a URL that may hold a password: for a proxy there is no other
// place for it.
func (r *reader) proxyURL(n *yaml.Node, dst *commoncfg.URL, path string) {
	const remedy = "write http://host:port, https:// or socks5://"
	s, ok := r.scalar(n, path)
	if !ok {
		return
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || strings.Contains(u.Host, "$"):
		r.fail(path, "is not a valid URL", notVariable(n, remedy))
	case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
		r.fail(path, "has an unknown scheme", remedy)
	default:
		dst.URL = u
	}
}
