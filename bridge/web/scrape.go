// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/common/expfmt"

	"github.com/skydive-project/skybridge/bridge/web/expose"
)

// serveMetrics answers /metrics. Once the first byte is out the status is 200,
// so what fails later can only cut the connection; a page that ends properly is
// whole.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	want, err := expose.ParseParts(r.URL.RawQuery)
	if err != nil {
		plain(w, http.StatusBadRequest, err.Error())
		return
	}
	format := expose.Negotiate(r.Header)
	compressed := expose.AcceptsGzip(r.Header)
	h := w.Header()
	h.Set("Content-Type", string(format))
	h.Set("Vary", "Accept, Accept-Encoding")
	if compressed {
		h.Set("Content-Encoding", "gzip")
	}
	if r.Method == http.MethodHead {
		return
	}

	write := s.writeAside
	if want != expose.Self {
		write = s.writeScrape
		leave, ok := s.scrapes.enter(client(r))
		if !ok {
			s.metrics.scrapes.WithLabelValues(resultRejected).Inc()
			h.Del("Content-Encoding")
			busy(w, "%d scrapes are served at once, of one address half of them at most; collect[]=self alone is always served", s.limits.scrapes)
			return
		}
		defer leave()
	}

	start := time.Now()
	paced := newPacedWriter(r.Context(), w, s.limits.chunk, start.Add(s.limits.page))
	if err := write(r.Context(), paced, want, format, compressed); err != nil {
		s.metrics.scrapes.WithLabelValues(resultAborted).Inc()
		// No more than a line for debugging: `curl | head` does it too.
		s.seldom.Debug("scrape cut off: the client left or was too slow",
			"remote", r.RemoteAddr, "after", time.Since(start), "err", err)
		// Returning would end a half page as if it were whole.
		panic(http.ErrAbortHandler)
	}
	s.metrics.scrapes.WithLabelValues(resultOK).Inc()
	s.metrics.duration.Observe(time.Since(start).Seconds())
}

// writeAside makes a page in memory before the client gets its first byte. It is
// for collect[]=self alone, whose page is some tens of kB whatever the number of
// series. Nothing waits for the client while a page is written, so one after the
// other is enough, and a client that does not read keeps its own page but no
// buffer and no compressor, and delays no other.
func (s *Server) writeAside(ctx context.Context, out io.Writer, want expose.Parts, format expfmt.Format, compressed bool) error {
	var page bytes.Buffer
	render := func() error {
		s.aside.Lock()
		defer s.aside.Unlock() // also where a collector panics
		return s.writeScrape(ctx, &page, want, format, compressed)
	}
	if err := render(); err != nil {
		return err
	}
	_, err := page.WriteTo(out)
	return err
}

// writeScrape writes a whole page to out. The error is that of writing, or of
// ctx, the request's.
func (s *Server) writeScrape(ctx context.Context, out io.Writer, want expose.Parts, format expfmt.Format, compressed bool) error {
	missing, err := s.exposer.Write(ctx, out, want, format, compressed)
	if missing != nil {
		s.metrics.gatherErrors.Inc()
		s.seldom.Warn("some of the bridge's own metrics are missing from /metrics", "err", missing)
	}
	return err
}
