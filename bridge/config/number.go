// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// boolean sets dst to the value of key.
func (o *object) boolean(key string, dst *bool) {
	n := o.take(key)
	if n == nil {
		return
	}
	if b, ok := o.r.boolean(n, o.join(key)); ok {
		*dst = b
	}
}

func (r *reader) boolean(n *yaml.Node, path string) (value, ok bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		r.fail(n.Line, fmt.Sprintf("%s must be true or false, it is a %s", path, kindName(n)), "write true or false, without quotes")
		return false, false
	}
	return strings.EqualFold(n.Value, "true"), true
}

// integer sets dst to the value of key, a whole number from low to high.
func (o *object) integer(key string, dst *int, low, high int) {
	n := o.take(key)
	if n == nil {
		return
	}
	path := o.join(key)
	f, err := strconv.ParseFloat(n.Value, 64)
	isFloat := n.Tag == "!!float" && err == nil
	inside := f >= float64(low) && f <= float64(high)
	var v int64
	switch {
	case n.Tag == "!!int" && n.Decode(&v) == nil && v >= int64(low) && v <= int64(high):
		*dst = int(v)
	case n.Tag == "!!int" || isFloat && !inside:
		o.r.fail(n.Line, fmt.Sprintf("%s is %s", path, n.Value), fmt.Sprintf("write a number from %d to %d", low, high))
	case err == nil && inside && f == math.Trunc(f):
		o.r.fail(n.Line, fmt.Sprintf("%s must be a whole number, it is %s", path, written(n)), fmt.Sprintf("write %.0f", f))
	default:
		o.r.fail(n.Line, fmt.Sprintf("%s must be a whole number, it is %s", path, written(n)), "write digits only, without quotes")
	}
}

// written says what stands where a number should.
func written(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return quoted(n.Value)
	}
	return "a " + kindName(n)
}

// durationRemedy is Prometheus' syntax by example.
const durationRemedy = "write numbers with the units ms, s, m, h or d, such as 15s or 1m30s"

// duration sets dst to the value of key, from low to high.
func (o *object) duration(key string, dst *time.Duration, low, high time.Duration) {
	n := o.take(key)
	if n == nil {
		return
	}
	path := o.join(key)
	if n.Kind != yaml.ScalarNode {
		o.r.fail(n.Line, fmt.Sprintf("%s must be a duration, it is a %s", path, kindName(n)), durationRemedy)
		return
	}
	d, err := model.ParseDuration(n.Value)
	if err != nil {
		remedy := durationRemedy
		if _, err := strconv.ParseUint(n.Value, 10, 32); err == nil {
			remedy = fmt.Sprintf("add a unit; for seconds write %ss", n.Value)
		}
		o.r.fail(n.Line, fmt.Sprintf("%s is no duration: %s", path, quoted(n.Value)), remedy)
		return
	}
	if v := time.Duration(d); v < low || v > high {
		o.r.fail(n.Line, fmt.Sprintf("%s is %s", path, quoted(n.Value)),
			fmt.Sprintf("write a duration from %s to %s", showDuration(low), showDuration(high)))
		return
	}
	*dst = time.Duration(d)
}

// showDuration writes a duration as [model.ParseDuration] reads it; parts of a
// millisecond are cut.
func showDuration(d time.Duration) string { return model.Duration(d).String() }

// sizeUnits are the units of a size. As in Prometheus all are powers of 1024,
// with and without the i.
func sizeUnits() []string { return []string{"B", "KB", "MB", "GB", "TB"} }

// size sets dst to the value of key in bytes, from low to high.
func (o *object) size(key string, dst *int64, low, high int64) {
	n := o.take(key)
	if n == nil {
		return
	}
	path := o.join(key)
	v, ok := parseSize(n.Value)
	if n.Kind != yaml.ScalarNode || !ok {
		o.r.fail(n.Line, fmt.Sprintf("%s must be a size in bytes, it is %s", path, written(n)),
			"write a whole number with one of the units B, KB, MB, GB or TB, such as 512MB")
		return
	}
	if v < low || v > high {
		o.r.fail(n.Line, fmt.Sprintf("%s is %s", path, quoted(n.Value)), fmt.Sprintf("write a size from %s to %s", showSize(low), showSize(high)))
		return
	}
	*dst = v
}

// parseSize reads digits and a unit; without a unit, bytes.
func parseSize(s string) (int64, bool) {
	digits := strings.TrimRight(s, "KMGTiBkmgtb ")
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || v < 0 {
		return 0, false
	}
	unit := strings.ToUpper(strings.TrimSpace(s[len(digits):]))
	if len(unit) == 3 && unit[1] == 'I' {
		unit = unit[:1] + unit[2:]
	}
	if unit == "" {
		return v, true
	}
	factor := int64(1)
	for _, u := range sizeUnits() {
		if u == unit {
			return v * factor, v <= math.MaxInt64/factor
		}
		factor <<= 10
	}
	return 0, false
}

// showSize writes a size as [parseSize] reads it.
func showSize(v int64) string {
	units := sizeUnits()
	i := 0
	for i+1 < len(units) && v != 0 && v%1024 == 0 {
		v /= 1024
		i++
	}
	return strconv.FormatInt(v, 10) + units[i]
}
