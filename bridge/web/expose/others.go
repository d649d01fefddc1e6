// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import "github.com/skydive-project/skybridge/aggregator"

// Interfaces and captures are few: they are copied once and written family by family.

// interfaceFamilies writes the families of network interfaces.
func (p *page) interfaceFamilies(source Source) {
	p.interfaces = source.ScrapeInterfaces(p.interfaces[:0])
	for i, family := range aggregator.InterfaceFamilies() {
		p.family(family)
		for j := range p.interfaces {
			if p.stopped() {
				return
			}
			labels := p.interfaces[j].All()
			p.sample(labels[:], p.interfaces[j].Values[i])
		}
	}
}

// captureFamilies writes the families of captures.
func (p *page) captureFamilies(source Source) {
	p.captures = source.ScrapeCaptures(p.captures[:0])
	for i, family := range aggregator.CaptureFamilies() {
		p.family(family)
		for j := range p.captures {
			if p.stopped() {
				return
			}
			if value, ok := p.captures[j].Value(i); ok {
				p.sample([]struct{ Name, Value string }{{"capture_id", p.captures[j].CaptureID}}, value)
			}
		}
	}
}
