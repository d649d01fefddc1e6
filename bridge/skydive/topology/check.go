// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"context"
	"fmt"
	"io"
)

// Checked is what came of one question to an analyzer.
type Checked struct {
	Analyzer string // its URL without query
	Err      error  // with what to change; no secrets
}

// Check asks every analyzer for one node of its topology.
func Check(ctx context.Context, cfg Config) ([]Checked, error) {
	analyzers, err := cfg.analyzers()
	if err != nil || !cfg.Enabled {
		return nil, err
	}
	var out []Checked
	for _, f := range analyzers.LookUp(ctx) {
		out = append(out, Checked{f.Name, fmt.Errorf("look up the name: %w", f.Err)})
	}
	targets, _ := analyzers.Targets()
	for _, to := range targets {
		c := Checked{Analyzer: to.Name}
		client := cfg.Account.Client(to, queryTimeout)
		ignore := func(r io.Reader) error {
			_, err := decodeArray(r, func(*rawNode) {})
			return err
		}
		if err := ask(ctx, client, cfg.Account, to, queryNodes+".Limit(1)", ignore); err != nil {
			c.Err = err.err
		}
		client.CloseIdleConnections()
		out = append(out, c)
	}
	return out, nil
}
