// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// own adds the bridge's own metrics to the page and returns what could not be gathered
// or formatted; the rest is served, since a page without one metric is worth more than
// none.
func (p *page) own(gatherer prometheus.Gatherer, format expfmt.Format) error {
	families, err := gatherer.Gather()
	var text bytes.Buffer
	for _, family := range families {
		// Each family is written aside first, so that one that fails half-way
		// leaves no half line. The encoder is not closed: that would write # EOF.
		text.Reset()
		if e := expfmt.NewEncoder(&text, format).Encode(family); e != nil {
			err = errors.Join(err, fmt.Errorf("write %s: %w", family.GetName(), e))
			continue
		}
		p.bytes(text.Bytes())
	}
	return err
}
