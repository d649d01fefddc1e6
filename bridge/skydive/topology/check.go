// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

// Checked is what came of one question to an analyzer.
type Checked struct {
	Analyzer string // its URL without query
	Err      error  // with what to change; no secrets
}

// Check asks every analyzer, all at once, for one node of its topology.
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
	checks := make([]Checked, len(targets))
	var asking sync.WaitGroup
	for i, to := range targets {
		asking.Go(func() { checks[i] = check(ctx, cfg.Account, to) })
	}
	asking.Wait()
	return append(out, checks...), nil
}

func check(ctx context.Context, account *access.Account, to access.Target) Checked {
	c := Checked{Analyzer: to.Name}
	client := account.Client(to, queryTimeout)
	defer client.CloseIdleConnections()
	ignore := func(r io.Reader) error {
		_, err := decodeArray(r, func(*rawNode) {})
		return err
	}
	if err := ask(ctx, client, account, to, queryNodes+".Limit(1)", ignore); err != nil {
		c.Err = err.err
	}
	return c
}
