// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// firstSeries names the first series that a request carries, for people:
// name{label="value"}. It is empty where there is none.
func firstSeries(req request) string {
	var r blockReader
	data, _, err := req.block.load(nil)
	if err != nil || r.reset(data) != nil {
		return ""
	}
	for i := 0; i < req.to; i++ {
		if ok, err := r.next(); !ok || err != nil {
			return ""
		}
		if i >= req.from && (req.repair == nil || req.repair.covers(r.start)) {
			return r.series()
		}
	}
	return ""
}

// symbol returns a symbol without the length that leads it.
func (r *blockReader) symbol(ref uint32) []byte {
	_, lead := binary.Uvarint(r.symbols[ref])
	return r.symbols[ref][lead:]
}

// series names the series read last.
func (r *blockReader) series() string {
	labels := make([]Label, 0, len(r.refs)/2)
	for i := 0; i < len(r.refs); i += 2 {
		labels = append(labels, Label{string(r.symbol(r.refs[i])), string(r.symbol(r.refs[i+1]))})
	}
	return seriesName(labels)
}

// seriesName writes labels, the metric's name among them, as PromQL does.
func seriesName(labels []Label) string {
	var name string
	var rest []string
	for _, l := range labels {
		if l.Name == nameLabel {
			name = l.Value
		} else {
			rest = append(rest, l.Name+"="+strconv.Quote(l.Value))
		}
	}
	return name + "{" + strings.Join(rest, ",") + "}"
}
