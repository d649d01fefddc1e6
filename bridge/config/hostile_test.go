// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// bombs are small files that a careless reader unfolds to something huge.
func bombs() map[string]string {
	var laughs, merges strings.Builder
	laughs.WriteString("a0: &a0 [x]\n")
	merges.WriteString("a0: &a0 {x: 1}\n")
	for i := 1; i < 30; i++ {
		one := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&laughs, "a%d: &a%d [%s]\n", i, i, strings.Join([]string{one, one, one, one, one, one, one, one, one, one}, ", "))
		fmt.Fprintf(&merges, "a%d: &a%d {<<: [%s, %s, %s], k%d: {<<: %s}, l: %s}\n", i, i, one, one, one, i, one, one)
	}
	return map[string]string{
		"laughs":       laughs.String(),
		"merges":       merges.String(),
		"texts":        "skydive: {analyzers: [ws://a:1]}\nremote_write: [{url: 'http://b', headers: {k: &a " + strings.Repeat("x", MaxFileSize/4) + manyHeaders(30_000),
		"cycle":        "a: &a {b: *a, c: *a, d: *a}\n",
		"merged cycle": "a: &a {<<: *a, b: {<<: *a}}\n",
		"brackets":     strings.Repeat("[", MaxFileSize-10),
		"braces":       strings.Repeat("{a: ", 5000),
		"deep":         "a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200),
		"items":        "skydive: {analyzers: [" + strings.Repeat("x,", MaxFileSize/2-50) + "]}",
		"endpoints":    "remote_write: [" + strings.Repeat("{},", 30_000) + "]",
		"keys":         strings.Repeat("k: \n", MaxFileSize/4-10),
		"comments":     strings.Repeat("# c\n", MaxFileSize/4-10) + "a: 1",
		"quote":        "a: \"" + strings.Repeat("\\n", MaxFileSize/2-10),
		"questions":    strings.Repeat("? ", 5000),
		"dashes":       strings.Repeat("- ", 5000),
		"anchors":      strings.Repeat("&a ", 5000),
		"documents":    strings.Repeat("---\n", MaxFileSize/4-10),
	}
}

// manyHeaders are headers that all have the value of the alias a.
func manyHeaders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", %d: *a", i)
	}
	return b.String() + "}}]\n"
}

// TestHostileFiles proves that a small file can neither take much memory nor
// get through.
func TestHostileFiles(t *testing.T) {
	for name, yaml := range bombs() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			c, _, err := parse("f", []byte(yaml))
			runtime.ReadMemStats(&after)
			if err == nil || c != nil {
				t.Fatal("accepted")
			}
			// All that was ever allocated, so the peak lies well below. The YAML
			// parser needs about 300 bytes a node.
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 400 {
				t.Errorf("%d MiB allocated", used)
			}
			if text := err.Error(); len(text) > 64<<10 {
				t.Errorf("the error has %d bytes", len(text))
			}
		})
	}
}
