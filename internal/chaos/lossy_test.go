// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// lossy takes one sample out of what it passes on, and says nothing.
type lossy struct {
	next http.Handler
	lost atomic.Bool
}

// ServeHTTP implements http.Handler.
func (l *lossy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err) // it was read before
	}
	if !l.lost.Load() {
		body = l.thin(body)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	l.next.ServeHTTP(w, r)
}

// thin takes the first zero of a byte counter that counts anything out of a 2.0
// request.
func (l *lossy) thin(body []byte) []byte {
	plain, err := snappy.Decode(nil, body)
	if err != nil {
		return body
	}
	var request writev2.Request
	if err := request.Unmarshal(plain); err != nil {
		return body
	}
	builder := labels.NewScratchBuilder(0)
	for i, series := range request.Timeseries {
		name, err := series.ToLabels(&builder, request.Symbols)
		if err != nil || name.Get("__name__") != "skydive_network_connection_total_bytes" || name.Get("direction") != "initiator_to_target" ||
			len(series.Samples) != 1 || series.Samples[0].Value != 0 || len(request.Timeseries) < 2 {
			continue
		}
		request.Timeseries = append(request.Timeseries[:i], request.Timeseries[i+1:]...)
		if plain, err = request.Marshal(); err != nil {
			panic(err)
		}
		l.lost.Store(true)
		return snappy.Encode(nil, plain)
	}
	return body
}
