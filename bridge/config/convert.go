// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path/filepath"
	"reflect"
	"strings"
)

// Convert returns prom_sky_con.yml in skybridge's own format, secrets and all;
// [Parse] makes the same [Config] of both. Only what the old file sets is
// written, and a remote_write stanza stays as it was written, comments
// included. name is the old file's name. The error is an [*Errors]; warnings
// name what the old file says and the new one cannot.
func Convert(name string, data []byte) (native []byte, warnings []Warning, err error) {
	r := &reader{name: name}
	p := r.read(data)
	if p.config != nil && !p.legacy {
		r.errs = nil
		r.fail(0, "this is not a prom_sky_con.yml: it has no key pipeline", "it needs no conversion; check it with skybridge check-config")
	}
	if warnings, err = r.result(); err != nil {
		return nil, warnings, err
	}
	base := strings.Map(func(c rune) rune {
		if !printable(string(c)) {
			return '?'
		}
		return c
	}, filepath.Base(name))
	head := "# Made of " + base + " by skybridge convert-config. Every other key has its default.\n"

	doc := p.config.document(writer{brief: true})
	plain := append([]byte(head), encode(doc)...)
	if isNull(p.remoteWrite) {
		return plain, warnings, nil
	}
	for i := 0; i < len(doc.Content); i += 2 {
		if doc.Content[i].Value == "remote_write" {
			doc.Content[i+1] = p.remoteWrite
		}
	}
	// The stanza's comments and style are worth keeping, but not at the price of
	// its meaning, which the YAML library's writer does not guarantee.
	if styled := append([]byte(head), encode(doc)...); sameConfig(styled, p.config) {
		return styled, warnings, nil
	}
	return plain, warnings, nil
}

// sameConfig reports whether data, in skybridge's own format, means c.
func sameConfig(data []byte, c *Config) bool {
	r := &reader{}
	p := r.read(data)
	return len(r.errs) == 0 && reflect.DeepEqual(p.config, c)
}
