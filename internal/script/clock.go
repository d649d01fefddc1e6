// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package script

import "github.com/skydive-project/skybridge/internal/analyzer"

// steps are by how much clocks are set wrong, in ms.
var steps = []int64{-59 * 60_000, -30 * 60_000, -3 * 60_000, -15_000, 15_000, 3 * 60_000, 35 * 60_000, 90 * 60_000}

// setClock sets the clock of a point's agent wrong or right, now and then.
func (w *Writer) setClock(p *point) {
	if !p.isSet || !w.chance(0.12) {
		return
	}
	p.offset -= p.wrong
	if p.wrong != 0 {
		p.wrong = 0
	} else {
		p.wrong = steps[w.rng.IntN(len(steps))]
	}
	p.offset += p.wrong
}

// deliver returns what reaches the analyzers of a point's records: while its agent is
// cut off nothing, and then all of it.
func (w *Writer) deliver(p *point) (records []analyzer.Flow) {
	last := w.steps == w.o.Steps
	if p.cut--; p.cut < 0 && p.isCut && w.chance(0.06) {
		p.cut = w.rng.IntN(5)
	}
	if p.cut < 0 || last {
		records, p.queue = p.queue, nil
	}
	p.queue, p.delayed = append(p.queue, p.delayed...), nil
	return records
}
