// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/api"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/skydive-project/skybridge/internal/receiver"
)

// Client asks a query API over HTTP and knows nothing of what is behind it: a
// Server, a prometheus of its own process, or another store that speaks it.
// It may be used concurrently.
type Client struct {
	api  apiv1.API
	http *http.Client
	err  error // the base URL is none
}

// NewClient returns a client of the API under base, for example
// "http://127.0.0.1:9090", with connections of its own that Close drops.
func NewClient(base string) *Client {
	c := &Client{http: &http.Client{Transport: &http.Transport{}, Timeout: queryTimeout}}
	var client api.Client
	if client, c.err = api.NewClient(api.Config{Address: base, Client: c.http}); c.err == nil {
		c.api = apiv1.NewAPI(client)
	}
	return c
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Query evaluates an expression at one time, by the millisecond. A vector comes
// back as series of one sample each, a matrix as it is, a scalar as one series
// without labels; all in order of their labels.
func (c *Client) Query(ctx context.Context, expr string, at time.Time) ([]Series, error) {
	if c.err != nil {
		return nil, fmt.Errorf("prom: %w", c.err)
	}
	value, _, err := c.api.Query(ctx, expr, at)
	if err != nil {
		return nil, fmt.Errorf("prom: query %s: %w", expr, err)
	}
	var all []Series
	add := func(metric model.Metric, points ...model.SamplePair) {
		names := make(map[string]string, len(metric))
		for name, value := range metric {
			names[string(name)] = string(value)
		}
		series := Series{Labels: labels.FromMap(names), Samples: make([]receiver.Sample, 0, len(points))}
		for _, p := range points {
			series.Samples = append(series.Samples, receiver.NewSample(int64(p.Timestamp), float64(p.Value)))
		}
		all = append(all, series)
	}
	switch value := value.(type) {
	case *model.Scalar:
		add(nil, model.SamplePair{Timestamp: value.Timestamp, Value: value.Value})
	case model.Vector:
		for _, s := range value {
			add(s.Metric, model.SamplePair{Timestamp: s.Timestamp, Value: s.Value})
		}
	case model.Matrix:
		for _, s := range value {
			add(s.Metric, s.Values...)
		}
	default:
		return nil, fmt.Errorf("prom: query %s: a %s came back", expr, value.Type())
	}
	slices.SortFunc(all, func(a, b Series) int { return labels.Compare(a.Labels, b.Labels) })
	return all, nil
}

// RawSeries asks for selector[range] from from to to, both included: raw
// samples as any outside judge gets them. PromQL leaves stale markers out.
func (c *Client) RawSeries(ctx context.Context, selector string, from, to time.Time) ([]Series, error) {
	return c.Query(ctx, rangeSelector(selector, from, to), to)
}

// AnchoredIncrease is increase(selector[from, to] anchored): Prometheus' own exact
// growth of each counter, by labels without __name__. A value in the five minutes before
// from counts as the baseline. Only a Prometheus with extended range selectors can answer.
func (c *Client) AnchoredIncrease(ctx context.Context, selector string, from, to time.Time) ([]Series, error) {
	return c.Query(ctx, "increase("+rangeSelector(selector, from, to)+" anchored)", to)
}

// rangeSelector makes a selector of what lies from from to to when evaluated
// at to. PromQL's ranges are open on the left, hence the millisecond.
func rangeSelector(selector string, from, to time.Time) string {
	return selector + "[" + strconv.FormatInt(to.UnixMilli()-from.UnixMilli()+1, 10) + "ms]"
}
