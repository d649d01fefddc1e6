// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// planted is the secret that the seeds carry. Where a mutation moves it to a
// place that is not secret, the run proves nothing about it.
const planted = "Pl4ntedS3cret"

// userPart finds the user part of a URL.
var userPart = regexp.MustCompile(`://[^/?#\s]*` + planted + `[^/?#\s]*@`)

// secretKey reports whether what stands below a key is secret.
func secretKey(key string) bool {
	switch strings.ToLower(key) {
	case "password", "key", "credentials", "bearer_token", "client_secret", "client_certificate_key", "secrets", "headers",
		"proxy_connect_header", "endpoint_params":
		return true
	}
	return false
}

// plantedInSecret counts the secrets below n in places that hold secrets, by
// walking the tree without any of the reader's code.
func plantedInSecret(n *yaml.Node, inside bool, depth int) int {
	if depth > maxDepth {
		return 0
	}
	count := 0
	if n.Kind == yaml.ScalarNode {
		if inside {
			return strings.Count(n.Value, planted)
		}
		for _, part := range userPart.FindAllString(n.Value, -1) {
			count += strings.Count(part, planted)
		}
		return count
	}
	for i, child := range n.Content {
		if n.Kind != yaml.MappingNode {
			count += plantedInSecret(child, inside, depth+1)
		} else if i%2 == 1 {
			key := n.Content[i-1].Value
			// Names in a mapping of headers or the like are not secret.
			count += plantedInSecret(child, inside || secretKey(key), depth+1)
		}
	}
	return count
}

// isPlanted reports whether every planted secret stands where secrets stand.
func isPlanted(data []byte) bool {
	total := bytes.Count(data, []byte(planted))
	if total == 0 {
		return false
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return true // what is not YAML is never quoted
	}
	return plantedInSecret(&doc, false, 0) == total
}

// checkRead reads data in each way and checks what holds for every input.
func checkRead(t *testing.T, data []byte) {
	t.Helper()
	c, warnings, err := parse("f", data)
	native, warnings2, err2 := newReader("f", "", Process{}).convert(data)
	if (c == nil) != (err != nil) {
		t.Fatalf("got %v and %v", c, err)
	}
	var text strings.Builder
	for _, e := range []error{err, err2} {
		if e == nil {
			continue
		}
		for _, one := range e.(*Errors).List {
			if one.What == "" || one.Remedy == "" || one.Line < 0 || one.Line > lines(data) {
				t.Fatalf("incomplete error %+v", one)
			}
			text.WriteString(one.Error() + "\n")
		}
	}
	for _, w := range append(warnings, warnings2...) {
		text.WriteString(w.String() + "\n")
	}
	if c != nil {
		text.WriteString(string(c.Summary()))
		text.Write(c.Redacted())
		checkWritten(t, c)
	}
	if isPlanted(data) && contains(text.String(), planted) {
		t.Fatalf("a secret is shown:\n%s", text.String())
	}
	if err == nil && err2 == nil {
		again, _, err := parse("f", native)
		if err != nil {
			t.Fatalf("the converted file is refused: %v\n%s", err, native)
		}
		if d := diff(c, again); d != "" {
			t.Fatalf("the converted file means something else (-want +got)\n%s\n%s", d, native)
		}
	}
	if err == nil && err2 != nil && !contains(err2.Error(), "this is not a prom_sky_con.yml") {
		t.Fatalf("not converted: %v", err2)
	}
}

// lines returns the number of the last line, counting as YAML does.
func lines(data []byte) int {
	n := 1
	for _, c := range string(data) {
		switch c {
		case '\n', '\r', '\u0085', '\u2028', '\u2029':
			n++
		}
	}
	return n
}

// checkWritten writes c as a file and reads it again.
func checkWritten(t *testing.T, c *Config) {
	t.Helper()
	text := encode(writer{}.document(c))
	again, _, err := parse("f", text)
	if err != nil {
		t.Fatalf("the written file is refused: %v\n%s", err, text)
	}
	if d := diff(c, again); d != "" {
		t.Fatalf("the written file means something else (-want +got)\n%s\n%s", d, text)
	}
}

// FuzzParse proves of any input in skybridge's format: no panic, whole errors,
// no secret shown, and what is written of a Config is read as the same.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"full.yml", "errors.yml"} {
		f.Add(bytes.ReplaceAll(bytes.ReplaceAll(sample(f, name), []byte("pa55word"), []byte(planted)), []byte("t0ps3cret"), []byte(planted)))
	}
	f.Add([]byte(strings.ReplaceAll(everySecret, "pa55word", planted)))
	for _, c := range keyCases() {
		f.Add([]byte(c.yaml))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkRead(t, data) })
}

// FuzzParseOld proves the same of prom_sky_con.yml, and that its conversion
// means the same.
func FuzzParseOld(f *testing.F) {
	for _, name := range []string{"prom_sky_con.yml", "prom_sky_con_site.yml"} {
		f.Add(bytes.ReplaceAll(sample(f, name), []byte("t0ps3cret"), []byte(planted)))
	}
	f.Add([]byte(oldFile(map[string]string{
		"top": "analyzer: {auth: {cluster: {username: u, password: " + planted + "}}}\nwrite: {s3: {key: " + planted + "}}\n",
		"end": strings.ReplaceAll(everySecret[strings.Index(everySecret, "remote_write"):], "pa55word", planted)})))
	f.Fuzz(func(t *testing.T, data []byte) { checkRead(t, data) })
}
