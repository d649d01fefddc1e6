// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// worthPacking is from which size an answer is compressed: below, it fits a packet.
const worthPacking = 1400

// place takes a place among the answers in the making, or refuses with 503. They are
// in memory until the client has taken them, so there is a bound on how many.
func (s *Server) place(w http.ResponseWriter, r *http.Request) (release func(), ok bool) {
	if release, ok = s.answers.enter(r); !ok {
		s.metrics.answersRejected.Inc()
		w.Header().Set("Retry-After", "5")
		plain(w, http.StatusServiceUnavailable, fmt.Sprintf(
			"busy: %d requests are answered at once, of one address half of them at most", s.limits.answers))
	}
	return release, ok
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
	if len(body) >= worthPacking && acceptsGzip(r.Header) {
		h.Set("Content-Encoding", "gzip")
		body = s.pack(body)
	}
	_, _ = w.Write(body) // nobody is left to tell
}

func (s *Server) pack(body []byte) []byte {
	s.packing.Lock()
	defer s.packing.Unlock()
	gz := s.gzips.get(newCompressor)
	defer func() {
		gz.Reset(io.Discard)
		s.gzips.put(gz)
	}()
	var packed bytes.Buffer
	gz.Reset(&packed)
	_, _ = gz.Write(body) // to memory
	_ = gz.Close()
	return packed.Bytes()
}
