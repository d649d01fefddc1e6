// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"

	"github.com/skydive-project/skybridge/bridge/web/connections"
	"github.com/skydive-project/skybridge/bridge/web/status"
)

// serveStatusPage serves the page at /.
func (s *Server) serveStatusPage(w http.ResponseWriter, r *http.Request) {
	s.withConnections(w, r, false, func(q connections.Query, list connections.Page) {
		body, err := s.page.Write(s.opts.State(), q, list)
		if err != nil {
			s.seldom.Error("writing the status page failed", "err", err)
			plain(w, http.StatusInternalServerError, "the page could not be written")
			return
		}
		if w.Header().Get("Content-Security-Policy") == defaultPolicy { // the operator's own wins
			w.Header().Set("Content-Security-Policy", status.Policy)
		}
		s.answer(w, r, "text/html; charset=utf-8", body)
	})
}

// serveConnections answers with a page of the connections.
func (s *Server) serveConnections(w http.ResponseWriter, r *http.Request) {
	s.withConnections(w, r, true, func(_ connections.Query, c connections.Page) { s.answerJSON(w, r, c) })
}

// withConnections has answer write the page of connections that a request asks for,
// within a place among the answers. strict refuses unknown parameters.
func (s *Server) withConnections(w http.ResponseWriter, r *http.Request, strict bool, answer func(connections.Query, connections.Page)) {
	q, err := connections.ParseQuery(r.URL.RawQuery, strict)
	if err != nil {
		plain(w, http.StatusBadRequest, err.Error())
		return
	}
	release, ok := s.place(w, r)
	if !ok {
		return
	}
	defer release()
	c, err := s.connections.Page(r.Context(), q)
	if err != nil {
		return // the client has gone
	}
	answer(q, c)
}

// serveStatus answers with the state of everything.
func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	release, ok := s.place(w, r)
	if !ok {
		return
	}
	defer release()
	s.answerJSON(w, r, s.opts.State())
}
