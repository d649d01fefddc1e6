// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"

	"github.com/skydive-project/skybridge/secrets"
)

// Secrets returns what of the configuration is secret, but for what stands in
// files.
func (c *Config) Secrets() []secrets.Secret {
	list := secrets.Basic(c.Skydive.BasicAuth.Username, string(c.Skydive.BasicAuth.Password))
	for _, u := range slices.Concat(c.Skydive.Analyzers, c.Topology.Analyzers) {
		list = append(list, secrets.OfURL(u)...)
	}
	for i := range c.RemoteWrite {
		rw := &c.RemoteWrite[i]
		list = append(list, secrets.OfReceiver(rw.URL, rw.Headers, &rw.HTTPClient)...)
	}
	return list
}
