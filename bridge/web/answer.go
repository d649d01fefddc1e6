// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/skydive-project/skybridge/bridge/web/expose"
)

// worthPacking is from which size an answer is compressed: below, it fits a packet.
const worthPacking = 1400

// place takes a place among the answers being written, or refuses with 503. They are
// in memory until the client has taken them, so there is a bound on how many.
func (s *Server) place(w http.ResponseWriter, r *http.Request) (release func(), ok bool) {
	if release, ok = s.answers.enter(client(r)); !ok {
		s.metrics.answersRejected.Inc()
		busy(w, "%d requests are answered at once, of one address half of them at most", s.limits.answers)
	}
	return release, ok
}

// busy refuses a request for which there is no place.
func busy(w http.ResponseWriter, why string, most int) {
	w.Header().Set("Retry-After", "5")
	plain(w, http.StatusServiceUnavailable, "busy: "+fmt.Sprintf(why, most))
}

// answerJSON answers with a value as JSON.
func (s *Server) answerJSON(w http.ResponseWriter, r *http.Request, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil { // a time before the year 0, say
		s.seldom.Error("writing an answer failed", "path", r.URL.Path, "err", err)
		plain(w, http.StatusInternalServerError, "the answer could not be written")
		return
	}
	s.answer(w, r, "application/json", append(body, '\n'))
}

// answer sends a body, compressed where the client takes it so. One is compressed at
// a time, in memory: a client that does not read holds no compressor.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Vary", "Accept-Encoding")
	if len(body) >= worthPacking && expose.AcceptsGzip(r.Header) {
		h.Set("Content-Encoding", "gzip")
		body = s.pack(body)
	}
	_, _ = w.Write(body) // the client has left
}

func (s *Server) pack(body []byte) []byte {
	s.packing.Lock()
	defer s.packing.Unlock()
	var packed bytes.Buffer
	s.gzip.Reset(&packed)
	_, _ = s.gzip.Write(body) // to memory
	_ = s.gzip.Close()
	return packed.Bytes()
}
