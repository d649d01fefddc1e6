// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/skydive-project/skybridge/aggregator"
)

// sortRows puts indices of rows in order. Equals keep the order in which the rows
// lie, so that pages of one list neither repeat nor miss any.
func sortRows(rows []aggregator.TrafficRow, which []uint32, key string, ascending bool) {
	sign := -1
	if ascending {
		sign = 1
	}
	if Numeric(key) {
		of := numberOf(key)
		sortBy(rows, which, sign, of, cmp.Compare[float64])
		return
	}
	sortBy(rows, which, sign, func(row *aggregator.TrafficRow) labelKey { return newLabelKey(labelOf(row, key)) }, labelKey.compare)
}

// sortBy makes each key once, and sorts.
func sortBy[K any](rows []aggregator.TrafficRow, which []uint32, sign int, of func(*aggregator.TrafficRow) K, compare func(K, K) int) {
	type keyed struct {
		key K
		i   uint32
	}
	all := make([]keyed, len(which))
	for n, i := range which {
		all[n] = keyed{of(&rows[i]), i}
	}
	slices.SortFunc(all, func(x, y keyed) int {
		if c := compare(x.key, y.key); c != 0 {
			return sign * c
		}
		return cmp.Compare(x.i, y.i)
	})
	for n := range all {
		which[n] = all[n].i
	}
}

// numberOf returns what a row is sorted by, both directions together.
func numberOf(key string) func(*aggregator.TrafficRow) float64 {
	switch key {
	case SortBytes:
		return func(row *aggregator.TrafficRow) float64 { return float64(row.Bytes[0] + row.Bytes[1]) }
	case SortPackets:
		return func(row *aggregator.TrafficRow) float64 { return float64(row.Packets[0] + row.Packets[1]) }
	case SortRTT:
		return func(row *aggregator.TrafficRow) float64 { return float64(row.Gauges[aggregator.RTT]) }
	}
	return func(row *aggregator.TrafficRow) float64 { return float64(row.Rate[0]) + float64(row.Rate[1]) }
}

// labelKey orders label values as a person would: numbers by size, then addresses by
// their bits, then texts, and what is not there last.
type labelKey struct {
	kind   uint8
	hi, lo uint64
	text   string
}

func newLabelKey(value string) labelKey {
	if value == "" {
		return labelKey{kind: 3}
	}
	if n, err := strconv.ParseUint(value, 10, 64); err == nil {
		return labelKey{lo: n}
	}
	if addr, err := netip.ParseAddr(value); err == nil {
		bits := addr.As16()
		return labelKey{kind: 1, hi: binary.BigEndian.Uint64(bits[:8]), lo: binary.BigEndian.Uint64(bits[8:])}
	}
	return labelKey{kind: 2, text: value}
}

func (k labelKey) compare(o labelKey) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), cmp.Compare(k.hi, o.hi), cmp.Compare(k.lo, o.lo), strings.Compare(k.text, o.text))
}
