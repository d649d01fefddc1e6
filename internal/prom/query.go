// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/skydive-project/skybridge/internal/receiver"
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

	var all []Series
	set := querier.Select(ctx, true, nil, matchers...)
	for set.Next() {
		series := Series{Labels: set.At().Labels().Copy()}
		samples := set.At().Iterator(nil)
		for samples.Next() == chunkenc.ValFloat {
			series.Samples = append(series.Samples, receiver.NewSample(samples.At()))
		}
		if err := samples.Err(); err != nil {
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
