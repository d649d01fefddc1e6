// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads a file of either format from data. name is the file's name, for
// messages and because the names of files in it are relative to its folder. The
// error is an [*Errors], which holds every error of the file; warnings are
// returned with it. Parse does not touch the file system; [Load] does.
func Parse(name string, data []byte) (*Config, []Warning, error) {
	r := &reader{name: name}
	p := r.read(data)
	warnings, err := r.result()
	if err != nil {
		return nil, warnings, err
	}
	p.config.setDirectory(filepath.Dir(name))
	return p.config, warnings, nil
}

// parsed is what a file says, the names of files as written. It is of use only
// while the reader has no errors.
type parsed struct {
	config *Config
	// legacy is true for prom_sky_con.yml.
	legacy bool
	// skydiveLine is where tls_config of skydive stands.
	skydiveLine int
	// remoteWrite is the stanza of that name, nil where there is none.
	remoteWrite *yaml.Node
}

// remoteWriteLine returns the line of an endpoint.
func (p *parsed) remoteWriteLine(i int) int { return p.remoteWrite.Content[i].Line }

// read reads a file of either format.
func (r *reader) read(data []byte) parsed {
	root := r.document(data)
	if root == nil {
		return parsed{}
	}
	p := parsed{
		remoteWrite: find(root, "remote_write"),
		skydiveLine: lineOfNode(find(find(root, "skydive"), "tls_config")),
	}
	p.legacy = find(root, "pipeline") != nil
	if p.legacy {
		p.config = r.legacy(root)
	} else {
		p.config = r.native(root)
	}
	if len(r.errs) == 0 {
		r.ownListener(p, cmp.Or(r.listen, p.config.Web.ListenAddress))
	}
	return p
}

// find returns the last value of key, in any case, in a mapping, or nil.
func find(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		if strings.EqualFold(n.Content[i].Value, key) {
			return n.Content[i+1]
		}
	}
	return nil
}

func lineOfNode(n *yaml.Node) int {
	if n == nil {
		return 0
	}
	return n.Line
}
