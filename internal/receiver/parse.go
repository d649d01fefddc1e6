// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// received is one sample of a request, and the series it belongs to.
type received struct {
	key    string
	sample Sample
}

// parse reads a body of the given protocol version and checks it; complain takes
// what is wrong. An error means that nothing could be read.
func parse(version int, body []byte, complain func(format string, args ...any)) ([]received, error) {
	plain, err := snappy.Decode(nil, body) // the block format; a stream fails here
	if err != nil {
		return nil, fmt.Errorf("body is not in snappy's block format: %w", err)
	}
	if version == 2 {
		return parse2(plain, complain)
	}
	return parse1(plain, complain)
}

func parse1(plain []byte, complain func(string, ...any)) (out []received, _ error) {
	var req prompb.WriteRequest
	if err := req.Unmarshal(plain); err != nil {
		return nil, fmt.Errorf("body is not a prometheus.WriteRequest: %w", err)
	}
	if req.XXX_unrecognized != nil {
		complain("request has unknown fields")
	}
	if len(req.Timeseries) == 0 && len(req.Metadata) == 0 {
		complain("request has no series")
	}
	for _, m := range req.Metadata {
		if !model.LegacyValidation.IsValidMetricName(m.MetricFamilyName) || m.Type == prompb.MetricMetadata_UNKNOWN || m.Help == "" {
			complain("metadata of %q is not complete", m.MetricFamilyName)
		}
	}
	for _, ts := range req.Timeseries {
		key := checkSeries(ts.Labels, len(ts.Samples), complain)
		for _, s := range ts.Samples {
			out = append(out, received{key, NewSample(s.Timestamp, s.Value)})
		}
	}
	return out, nil
}

func parse2(plain []byte, complain func(string, ...any)) (out []received, _ error) {
	var req writev2.Request
	if err := req.Unmarshal(plain); err != nil {
		return nil, fmt.Errorf("body is not an io.prometheus.write.v2.Request: %w", err)
	}
	if len(req.Symbols) == 0 || req.Symbols[0] != "" {
		complain("the first symbol is not the empty string")
	}
	seen := make(map[string]bool)
	for _, s := range req.Symbols {
		if seen[s] {
			complain("symbol %q is there twice", s)
		}
		seen[s] = true
	}
	symbol := func(ref uint32) string {
		if int(ref) >= len(req.Symbols) {
			complain("reference %d to one of %d symbols", ref, len(req.Symbols))
			return ""
		}
		return req.Symbols[ref]
	}
	if len(req.Timeseries) == 0 {
		complain("request has no series")
	}
	for _, ts := range req.Timeseries {
		if len(ts.LabelsRefs)%2 != 0 {
			complain("odd number of label references")
		}
		var labels []prompb.Label
		for i := 0; i+1 < len(ts.LabelsRefs); i += 2 {
			labels = append(labels, prompb.Label{Name: symbol(ts.LabelsRefs[i]), Value: symbol(ts.LabelsRefs[i+1])})
		}
		key := checkSeries(labels, len(ts.Samples), complain)
		if ts.Metadata.Type == writev2.Metadata_METRIC_TYPE_UNSPECIFIED || symbol(ts.Metadata.HelpRef) == "" {
			complain("%s: no metadata", key)
		}
		symbol(ts.Metadata.UnitRef)
		for _, s := range ts.Samples {
			if s.StartTimestamp > s.Timestamp {
				complain("%s: sample starts at %d, after its time %d", key, s.StartTimestamp, s.Timestamp)
			}
			out = append(out, received{key, Sample{At: s.Timestamp, Bits: math.Float64bits(s.Value), Start: s.StartTimestamp}})
		}
	}
	return out, nil
}

// checkSeries checks the labels and the number of samples of a series and returns its Key.
func checkSeries(labels []prompb.Label, samples int, complain func(string, ...any)) string {
	const valid = model.LegacyValidation // names of the classic data model
	name, others := "", make(map[string]string)
	for _, l := range labels {
		if l.Name == model.MetricNameLabel {
			name = l.Value
		} else {
			others[l.Name] = l.Value
		}
	}
	key := Key(name, others)
	for i, l := range labels {
		if i > 0 && labels[i-1].Name == l.Name {
			complain("%s: label %q is there twice", key, l.Name)
		} else if i > 0 && labels[i-1].Name > l.Name {
			complain("%s: label %q is not in order", key, l.Name)
		}
		if l.Value == "" {
			complain("%s: label %q has an empty value", key, l.Name)
		}
		if !utf8.ValidString(l.Value) {
			complain("%s: label %q is not valid UTF-8", key, l.Name)
		}
		if !valid.IsValidLabelName(l.Name) || (strings.HasPrefix(l.Name, "__") && l.Name != model.MetricNameLabel) {
			complain("%s: label name %q is not valid", key, l.Name)
		}
	}
	if name == "" {
		complain("%s: no __name__", key)
	} else if !valid.IsValidMetricName(name) {
		complain("%s: metric name is not valid", key)
	}
	if samples != 1 {
		complain("%s: %d samples in one request, want 1", key, samples)
	}
	return key
}
