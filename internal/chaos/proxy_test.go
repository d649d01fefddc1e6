// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// proxy stands before the Prometheus and does to requests what the faults
// wants. It passes on one at a time: what its sender has given up must not
// overtake what came after it.
type proxy struct {
	to     string // the write URL
	client *http.Client
	faults *faults

	mu sync.Mutex
	// lose: the first zero of a byte counter is to be lost on the way.
	lose, lost bool
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := p.faults.fault(r)
	if f.ResetAfter > 0 {
		_, _ = io.CopyN(io.Discard, r.Body, int64(f.ResetAfter))
		panic(http.ErrAbortHandler)
	}
	if f.ReadPause > 0 {
		wait(r, f.ReadPause*20)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender has gone
	}
	if f.Hang != nil || f.HangForever {
		select {
		case <-f.Hang:
		case <-r.Context().Done():
		}
	}
	gone := r.Context().Err() != nil
	if f.Store || (!gone && f.Status == 0) {
		if !p.pass(w, r, body, f.Status == 0 && !f.NoAnswer && !gone) {
			return
		}
	}
	switch {
	case gone:
	case f.NoAnswer:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		maps.Copy(w.Header(), f.Header)
		http.Error(w, f.Body, f.Status)
	}
}

// pass sends a request on and, where wanted, the answer back.
func (p *proxy) pass(w http.ResponseWriter, r *http.Request, body []byte, answer bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	body = p.thin(body)
	// Not with the sender's context: what it gives up may be stored all the same.
	request, err := http.NewRequest(http.MethodPost, p.to, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	request.Header = r.Header.Clone()
	response, err := p.client.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return false
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if answer {
		maps.Copy(w.Header(), response.Header)
		w.WriteHeader(response.StatusCode)
		_, _ = w.Write(text)
	}
	return true
}

// loseOne takes one sample out of what is sent from now on, and says nothing.
func (p *proxy) loseOne() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = true
}

// hasLost says that it did.
func (p *proxy) hasLost() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// thin takes the first zero of a byte counter that counts anything out of a 2.0
// request, if it is to.
func (p *proxy) thin(body []byte) []byte {
	if !p.lose || p.lost {
		return body
	}
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
		p.lost = true
		return snappy.Encode(nil, plain)
	}
	return body
}

// wait waits, or until the sender has gone.
func wait(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}
