// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"net/http"
)

// verdict answers 200 where all is good and 503 where not. The body has a word either way,
// since a ready bridge can still have something to say. /-/healthy says whether the process
// is to be left alone: 503 is for one that hangs, which only a restart ends. /-/ready says
// whether the bridge does its work.
func verdict(of func() (ok bool, word string), good, bad string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		ok, word := of()
		status, otherwise := http.StatusOK, good
		if !ok {
			status, otherwise = http.StatusServiceUnavailable, bad
		}
		plain(w, status, cmp.Or(word, otherwise))
	}
}

// healthBefore answers /-/healthy and /-/ready itself, and leaves all else to next, which asks
// for credentials.
func (s *Server) healthBefore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case s.paths.prefix + healthyPath, s.paths.prefix + readyPath:
			s.handler.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
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
