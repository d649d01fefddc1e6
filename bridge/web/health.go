// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import "net/http"

// serveHealthy says whether the process is to be left alone: 503 is for one that hangs,
// which only a restart ends.
func (s *Server) serveHealthy(w http.ResponseWriter, _ *http.Request) {
	ok, word := s.opts.Healthy()
	status := http.StatusOK
	if !ok {
		status = http.StatusServiceUnavailable
	}
	plain(w, status, word)
}

// serveReady says whether the bridge does its work; the body has the word either
// way, since a ready bridge can still have something to say.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	ok, word := s.opts.Ready()
	status, otherwise := http.StatusOK, "ready"
	if !ok {
		status, otherwise = http.StatusServiceUnavailable, "not ready"
	}
	if word == "" {
		word = otherwise
	}
	plain(w, status, word)
}

// serveReload runs the reload and returns its error in full: who may reload may
// know what is wrong with the file. Reload logs how it went itself.
func (s *Server) serveReload(w http.ResponseWriter, _ *http.Request) {
	if !s.opts.EnableLifecycle {
		plain(w, http.StatusForbidden, "reload over HTTP is off: start skybridge with --web.enable-lifecycle")
		return
	}
	if err := s.opts.Reload(s.life); err != nil {
		plain(w, http.StatusInternalServerError, "reload failed: "+err.Error())
		return
	}
	plain(w, http.StatusOK, "reloaded")
}

// plain answers with one line of text.
func plain(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(line + "\n")) // the client has left
}
