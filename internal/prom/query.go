// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// RawSeries reads from the storage's querier what it holds of the series that
// a selector such as `m{a="b"}` names, from and to included, stale markers
// among the samples, series in order of their labels.
func (s *Server) RawSeries(ctx context.Context, selector string, from, to time.Time) (_ []Series, err error) {
	matchers, err := s.parser.ParseMetricSelector(selector)
	if err != nil {
		return nil, fmt.Errorf("prom: selector %s: %w", selector, err)
	}
	querier, err := s.db.Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("prom: open querier: %w", err)
	}
	defer func() { err = errors.Join(err, querier.Close()) }()

	var (
		all      []Series
		iterator chunkenc.Iterator
	)
	set := querier.Select(ctx, true, nil, matchers...)
	for set.Next() {
		entry := set.At()
		series := Series{Labels: entry.Labels().Copy()}
		iterator = entry.Iterator(iterator)
		for kind := iterator.Next(); kind != chunkenc.ValNone; kind = iterator.Next() {
			if kind != chunkenc.ValFloat {
				return nil, fmt.Errorf("prom: series %s holds a %s", series.Labels, kind)
			}
			t, v := iterator.At()
			series.Samples = append(series.Samples, Sample{T: t, V: v})
		}
		if err := iterator.Err(); err != nil {
			return nil, fmt.Errorf("prom: read series %s: %w", series.Labels, err)
		}
		if len(series.Samples) > 0 {
			all = append(all, series)
		}
	}
	if err := set.Err(); err != nil {
		return nil, fmt.Errorf("prom: select %s: %w", selector, err)
	}
	return all, nil
}
