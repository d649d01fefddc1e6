// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Query evaluates a PromQL expression at one time in the engine: a
// promql.Vector, Matrix, Scalar or String, which is the caller's.
func (s *Server) Query(ctx context.Context, expr string, at time.Time) (parser.Value, error) {
	query, err := s.engine.NewInstantQuery(ctx, s.db, nil, expr, at)
	if err != nil {
		return nil, fmt.Errorf("prom: query %s: %w", expr, err)
	}
	return run(ctx, expr, query)
}

// QueryRange evaluates a PromQL expression from start to end, both included,
// every step.
func (s *Server) QueryRange(ctx context.Context, expr string, start, end time.Time, step time.Duration) (promql.Matrix, error) {
	query, err := s.engine.NewRangeQuery(ctx, s.db, nil, expr, start, end, step)
	if err != nil {
		return nil, fmt.Errorf("prom: query range %s: %w", expr, err)
	}
	value, err := run(ctx, expr, query)
	if err != nil {
		return nil, err
	}
	matrix, ok := value.(promql.Matrix)
	if !ok {
		return nil, fmt.Errorf("prom: query range %s: a %s came back", expr, value.Type())
	}
	return matrix, nil
}

func run(ctx context.Context, expr string, query promql.Query) (parser.Value, error) {
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err != nil {
		return nil, fmt.Errorf("prom: query %s: %w", expr, result.Err)
	}
	// Close hands the points back to the engine's pools.
	switch value := result.Value.(type) {
	case promql.Matrix:
		own := slices.Clone(value)
		for i := range own {
			own[i].Floats = slices.Clone(own[i].Floats)
			own[i].Histograms = slices.Clone(own[i].Histograms)
		}
		return own, nil
	case promql.Vector:
		return slices.Clone(value), nil
	default:
		return value, nil
	}
}

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

// AnchoredIncrease is increase(selector[from, to] anchored) in the engine:
// Prometheus' own exact growth of each counter, by labels without __name__.
// A value in the five minutes before from counts as the baseline.
func (s *Server) AnchoredIncrease(ctx context.Context, selector string, from, to time.Time) ([]Series, error) {
	value, err := s.Query(ctx, anchoredIncrease(selector, from, to), to)
	if err != nil {
		return nil, err
	}
	vector, ok := value.(promql.Vector)
	if !ok {
		return nil, fmt.Errorf("prom: increase of %s: a %s came back", selector, value.Type())
	}
	series := make([]Series, 0, len(vector))
	for _, point := range vector {
		series = append(series, Series{Labels: point.Metric, Samples: []Sample{{T: point.T, V: point.F}}})
	}
	sortByLabels(series)
	return series, nil
}

func sortByLabels(series []Series) {
	slices.SortFunc(series, func(a, b Series) int { return labels.Compare(a.Labels, b.Labels) })
}

func anchoredIncrease(selector string, from, to time.Time) string {
	return "increase(" + rangeSelector(selector, from, to) + " anchored)"
}

// rangeSelector makes a selector of what lies from from to to when evaluated
// at to. PromQL's ranges are open on the left, hence the millisecond.
func rangeSelector(selector string, from, to time.Time) string {
	return selector + "[" + strconv.FormatInt(to.UnixMilli()-from.UnixMilli()+1, 10) + "ms]"
}
