// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// maxAnswer bounds an answer of the query API, in bytes.
const maxAnswer = 1 << 30

// Client asks a query API over HTTP and knows nothing of what is behind it: a
// Server, a prometheus of its own process, or another store that speaks it.
// It may be used concurrently.
type Client struct {
	base string
	http *http.Client
}

// NewClient returns a client of the API under base, for example
// "http://127.0.0.1:9090", with connections of its own that Close drops.
func NewClient(base string) *Client {
	return &Client{base: strings.TrimRight(base, "/"), http: &http.Client{Transport: &http.Transport{}, Timeout: queryTimeout}}
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Query evaluates an expression at one time, by the millisecond. A vector comes
// back as series of one sample each, a matrix as it is, a scalar as one series
// without labels; all in order of their labels.
func (c *Client) Query(ctx context.Context, expr string, at time.Time) ([]Series, error) {
	var answer struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	}
	form := url.Values{"query": {expr}, "time": {formatTime(at)}}
	if err := c.post(ctx, "/query", form, &answer); err != nil {
		return nil, err
	}
	series, err := decodeResult(answer.ResultType, answer.Result)
	if err != nil {
		return nil, fmt.Errorf("prom: answer to %s: %w", expr, err)
	}
	sortByLabels(series)
	return series, nil
}

// RawSeries asks for selector[range] from from to to, both included: raw
// samples as any outside judge gets them. PromQL leaves stale markers out.
func (c *Client) RawSeries(ctx context.Context, selector string, from, to time.Time) ([]Series, error) {
	return c.Query(ctx, rangeSelector(selector, from, to), to)
}

// AnchoredIncrease is Server.AnchoredIncrease over HTTP. Only a Prometheus with
// extended range selectors can answer it.
func (c *Client) AnchoredIncrease(ctx context.Context, selector string, from, to time.Time) ([]Series, error) {
	return c.Query(ctx, anchoredIncrease(selector, from, to), to)
}

// LabelValues lists the values of a label over all time.
func (c *Client) LabelValues(ctx context.Context, name string) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+apiPrefix+"/label/"+url.PathEscape(name)+"/values", nil)
	if err != nil {
		return nil, fmt.Errorf("prom: label values of %s: %w", name, err)
	}
	var values []string
	return values, c.do(request, &values)
}

func (c *Client) post(ctx context.Context, path string, form url.Values, data any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+apiPrefix+path, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("prom: ask %s: %w", path, err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.do(request, data)
}

func (c *Client) do(request *http.Request, data any) error {
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("prom: ask %s: %w", request.URL.Path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("prom: read the answer of %s: %w", request.URL.Path, err)
	}
	var envelope struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return fmt.Errorf("prom: %s answered %s, which is no JSON: %w", request.URL.Path, response.Status, err)
	}
	if envelope.Status != "success" {
		return fmt.Errorf("prom: %s answered %s: %s", request.URL.Path, response.Status, envelope.Error)
	}
	if err := json.Unmarshal(envelope.Data, data); err != nil {
		return fmt.Errorf("prom: data of %s: %w", request.URL.Path, err)
	}
	return nil
}

// wirePoint is [seconds, "value"].
type wirePoint Sample

func (p *wirePoint) UnmarshalJSON(b []byte) error {
	var (
		at    json.RawMessage // json.Number would take a string too
		value string
	)
	pair := []any{&at, &value}
	if err := json.Unmarshal(b, &pair); err != nil {
		return fmt.Errorf("point %s: %w", b, err)
	}
	if len(pair) != 2 {
		return fmt.Errorf("point %s has not two parts", b)
	}
	ms, err := parseMillis(string(at))
	if err != nil {
		return err
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return fmt.Errorf("value of point %s: %w", b, err)
	}
	*p = wirePoint{T: ms, V: v}
	return nil
}

func decodeResult(kind string, raw json.RawMessage) ([]Series, error) {
	switch kind {
	case "scalar":
		var point wirePoint
		if err := json.Unmarshal(raw, &point); err != nil {
			return nil, err
		}
		return []Series{{Samples: []Sample{Sample(point)}}}, nil
	case "vector", "matrix":
		var entries []struct {
			Metric map[string]string `json:"metric"`
			Value  *wirePoint        `json:"value"`
			Values []wirePoint       `json:"values"`
		}
		if err := json.Unmarshal(raw, &entries); err != nil {
			return nil, err
		}
		all := make([]Series, 0, len(entries))
		for _, entry := range entries {
			series := Series{Labels: labels.FromMap(entry.Metric), Samples: make([]Sample, 0, len(entry.Values)+1)}
			if entry.Value != nil {
				series.Samples = append(series.Samples, Sample(*entry.Value))
			}
			for _, point := range entry.Values {
				series.Samples = append(series.Samples, Sample(point))
			}
			all = append(all, series)
		}
		return all, nil
	default:
		return nil, fmt.Errorf("result type %q", kind)
	}
}

// formatTime writes a time as the API reads it: seconds, three decimals.
func formatTime(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// parseMillis reads decimal seconds exactly: "1795402882.39" is 1795402882390.
func parseMillis(seconds string) (int64, error) {
	whole, fraction, _ := strings.Cut(seconds, ".")
	if whole == "" || len(fraction) > 3 || strings.ContainsAny(seconds, "eE") {
		return 0, errors.New("time " + seconds + " is not in milliseconds")
	}
	ms, err := strconv.ParseInt(whole+fraction+"000"[len(fraction):], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("time %s: %w", seconds, err)
	}
	return ms, nil
}
