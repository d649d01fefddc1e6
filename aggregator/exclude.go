// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "slices"

// exclude says whether the operator wants a flow's traffic kept out, and counts
// what is.
func (a *Aggregator) exclude(f *Flow, delta counts) bool {
	if len(a.cfg.ExcludeClasses) == 0 {
		return false
	}
	class := a.classifier.class(f.NetworkA, f.NetworkB)
	if !slices.Contains(a.cfg.ExcludeClasses, class) {
		return false
	}
	a.metrics.filtered(class, delta.totalBytes())
	return true
}
