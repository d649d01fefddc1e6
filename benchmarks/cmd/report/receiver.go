// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/skydive-project/skybridge/internal/await"
)

// receiver takes remote-write requests by Prometheus' own handler, counts what is in
// them, throws it away and answers that it is stored.
type receiver struct {
	server *httptest.Server

	mu       sync.Mutex
	received received
}

// received is what has come, and when the last of it.
type received struct {
	samples, bytes, requests int64
	last                     time.Time
}

func startReceiver() *receiver {
	r := &receiver{}
	write := remoteapi.NewWriteHandler(r, remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType})
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.received.bytes += req.ContentLength
		r.received.requests++
		r.mu.Unlock()
		write.ServeHTTP(w, req)
	}))
	return r
}

func (r *receiver) url() string { return r.server.URL + "/api/v1/write" }

// Store counts the samples of a request.
func (r *receiver) Store(req *http.Request, kind remoteapi.WriteMessageType) (*remoteapi.WriteResponse, error) {
	answer := remoteapi.NewWriteResponse()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return answer, err
	}
	samples := 0
	if kind == remoteapi.WriteV2MessageType {
		var request writev2.Request
		err = request.Unmarshal(body)
		for _, series := range request.Timeseries {
			samples += len(series.Samples)
		}
	} else {
		var request prompb.WriteRequest
		err = request.Unmarshal(body)
		for _, series := range request.Timeseries {
			samples += len(series.Samples)
		}
	}
	if err != nil {
		answer.SetStatusCode(http.StatusBadRequest)
		return answer, err
	}
	r.count(samples)
	answer.Samples = samples
	answer.SetStatusCode(http.StatusNoContent)
	return answer, nil
}

// count counts samples that have come now.
func (r *receiver) count(samples int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received.samples += int64(samples)
	r.received.last = time.Now()
}

// seen returns what has come so far.
func (r *receiver) seen() received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received
}

// await waits until at least so many samples have come and nothing more for the time
// of quiet.
func (r *receiver) await(ctx context.Context, samples int64, quiet time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return await.Wait(ctx, func() (bool, string) {
		got := r.seen()
		return got.samples >= samples && time.Since(got.last) >= quiet, fmt.Sprintf("%d samples of %d have come", got.samples, samples)
	})
}
