// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
)

// ServeHTTP receives one request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	n := r.requests
	r.requests++
	r.last = req
	r.mu.Unlock()
	var fault Fault
	if r.cfg.Fail != nil {
		fault = r.cfg.Fail(n, req)
	}
	version := r.checkHeader(req)

	body, whole, err := fault.readBody(req)
	if !whole {
		reset(w)
		return
	}
	if err != nil {
		return // the sender went away; there is no one to answer
	}
	hash := bodyHash(sha256.Sum256(body))
	samples, err := parse(version, body, r.violate)
	if err != nil {
		r.violate("%v", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if turned := r.unspokenAnswer(version, &fault); turned != nil {
		turned.answer(w, req)
		return
	}
	if fault.stores() && r.tooEarly(samples) {
		fault = Fault{Status: http.StatusBadRequest, Body: "out of bounds: too far in the future\n"}
	}
	if fault.stores() && r.cfg.MaxBytes > 0 && len(body) > r.cfg.MaxBytes {
		fault = Fault{Status: http.StatusRequestEntityTooLarge}
	}
	f := &flight{hash: hash, version: version, samples: samples, gone: req.Context().Done(), done: make(chan struct{})}
	r.arrive(f)
	abandoned := false
	defer func() { r.leave(f, abandoned) }()

	fault.hang(req, r.closed)
	abandoned = req.Context().Err() != nil
	if fault.Store || (!abandoned && fault.stores()) {
		if r.cfg.Next != nil {
			r.pass(req, body, &fault)
		}
		r.store(samples)
	}
	if abandoned {
		return
	}
	if fault.NoAnswer {
		r.answered(f, nil)
		reset(w)
		return
	}
	if version == 2 && fault.stores() {
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(len(samples)))
		w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", "0")
		w.Header().Set("X-Prometheus-Remote-Write-Exemplars-Written", "0")
	}
	// Before the answer is written: the sender may be back the moment it has it.
	r.answered(f, &fault)
	fault.answer(w, req)
}

// pass hands a request on, whatever its sender does meanwhile. The answer is that of
// the fault, unless this was to be none.
func (r *Receiver) pass(req *http.Request, body []byte, fault *Fault) {
	r.passing.Lock()
	defer r.passing.Unlock()
	req = req.Clone(context.WithoutCancel(req.Context()))
	req.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	r.cfg.Next.ServeHTTP(answer, req)
	if fault.stores() {
		fault.Status, fault.Header, fault.Body = answer.Code, answer.Header(), answer.Body.String()
	}
}

// unspokenAnswer is the answer to a version that is not spoken, nil: it is, or
// something fails before that is looked at.
func (r *Receiver) unspokenAnswer(version int, fault *Fault) *Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	answer := r.cfg.Without1
	if version == 2 {
		answer = r.cfg.Without2
	}
	if answer != nil && (fault.status()/100 == 5 || fault.status()/100 == 4 && !fault.final(&r.cfg)) {
		return nil
	}
	if answer != nil {
		r.unspoken++
	}
	return answer
}

// checkHeader checks method and headers and returns the protocol version.
func (r *Receiver) checkHeader(req *http.Request) int {
	if req.Method != http.MethodPost {
		r.violate("method is %s, want POST", req.Method)
	}
	want := func(name, value string) {
		if got := req.Header.Values(name); len(got) != 1 || got[0] != value {
			r.violate("header %s is %q, want %q", name, got, value)
		}
	}
	want("Content-Encoding", "snappy")
	version := 1
	if strings.Contains(req.Header.Get("Content-Type"), "v2.Request") {
		version = 2
		want("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
		want("X-Prometheus-Remote-Write-Version", "2.0.0")
	} else {
		want("Content-Type", "application/x-protobuf")
		want("X-Prometheus-Remote-Write-Version", "0.1.0")
	}
	if agent := req.Header.Get("User-Agent"); r.cfg.UserAgent != "" {
		want("User-Agent", r.cfg.UserAgent)
	} else if !strings.HasPrefix(agent, "skybridge/") || len(agent) == len("skybridge/") {
		r.violate("header User-Agent is %q, want skybridge/ and a version", agent)
	}
	return version
}
