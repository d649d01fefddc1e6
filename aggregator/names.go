// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

// NamesWanted receives when flows had nodes or addresses whose names are unknown.
func (a *Aggregator) NamesWanted() <-chan struct{} { return a.names.Wanted() }

// TakeWantedNames returns those nodes and addresses, each once; see [label.Names.TakeWanted].
func (a *Aggregator) TakeWantedNames() (nodes, addresses []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.names.TakeWanted()
}
