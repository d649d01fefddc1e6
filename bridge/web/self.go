// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"fmt"

	"github.com/prometheus/common/expfmt"
)

// writeSelf adds the bridge's own metrics to the page. What cannot be gathered
// or written is counted and logged; the rest is served, since a page without one
// metric is worth more than none.
func (s *Server) writeSelf(p *page, format expfmt.Format) {
	families, err := s.opts.Gatherer.Gather()
	for _, family := range families {
		// Each family is written aside first, so that one that fails half-way
		// leaves no half line. The encoder is not closed: that would write # EOF.
		p.self.Reset()
		if e := expfmt.NewEncoder(&p.self, format).Encode(family); e != nil {
			err = errors.Join(err, fmt.Errorf("write %s: %w", family.GetName(), e))
			continue
		}
		p.bytes(p.self.Bytes())
	}
	if err != nil {
		s.metrics.gatherErrors.Inc()
		s.seldom.Warn("some of the bridge's own metrics are missing from /metrics", "err", err)
	}
}
