// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import "github.com/skydive-project/skybridge/aggregator"

// Interfaces and captures are few: they are copied once and written family by family.

// interfaceFamilies writes the families of network interfaces.
func (p *page) interfaceFamilies(source Source) {
	rows := source.ScrapeInterfaces(nil)
	for i, family := range aggregator.InterfaceFamilies() {
		p.family(family)
		for j := range rows {
			if p.stopped() {
				return
			}
			labels := rows[j].All()
			p.sample(labels[:], rows[j].Values[i])
		}
	}
}

// captureFamilies writes the families of captures.
func (p *page) captureFamilies(source Source) {
	rows := source.ScrapeCaptures(nil)
	for i, family := range aggregator.CaptureFamilies() {
		p.family(family)
		for j := range rows {
			if p.stopped() {
				return
			}
			if value, ok := rows[j].Value(i); ok {
				p.sample([]struct{ Name, Value string }{{"capture_id", rows[j].CaptureID}}, value)
			}
		}
	}
}
