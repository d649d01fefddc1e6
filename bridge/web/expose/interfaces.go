// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import "github.com/skydive-project/skybridge/aggregator"

// interfaceFamilies writes the families of network interfaces, which are copied
// once and written family by family.
func (p *page) interfaceFamilies(source Source) {
	p.interfaces = source.ScrapeInterfaces(p.interfaces[:0])
	for i, family := range aggregator.InterfaceFamilies() {
		p.family(family)
		for j := range p.interfaces {
			if p.stopped() {
				return
			}
			if !p.headed {
				p.head()
			}
			row := &p.interfaces[j]
			p.text(family.Name)
			separator := byte('{')
			for _, l := range row.All() {
				if l.Value != "" {
					p.label(separator, l.Name, l.Value)
					separator = ','
				}
			}
			if separator == ',' {
				p.text("}")
			}
			p.value(row.Values[i])
		}
	}
}
