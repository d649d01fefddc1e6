// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import "github.com/skydive-project/skybridge/aggregator"

// captureFamilies writes the families of captures. Captures are few: they are
// copied once and written family by family.
func (p *page) captureFamilies(source Source) {
	p.captures = source.ScrapeCaptures(p.captures[:0])
	for i, family := range aggregator.CaptureFamilies() {
		p.family(family)
		for j := range p.captures {
			if p.stopped() {
				return
			}
			row := &p.captures[j]
			value, ok := row.Value(i)
			if !ok {
				continue
			}
			if !p.headed {
				p.head()
			}
			p.text(family.Name)
			if row.CaptureID != "" {
				p.label('{', "capture_id", row.CaptureID)
				p.text("}")
			}
			p.value(value)
		}
	}
}
