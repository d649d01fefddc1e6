// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/internal/rows"
)

func TestFormatNegotiation(t *testing.T) {
	const (
		text  = "text/plain; version=0.0.4; charset=utf-8"
		om1   = "application/openmetrics-text; version=1.0.0; charset=utf-8"
		om001 = "application/openmetrics-text; version=0.0.1; charset=utf-8"
		proto = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	)
	for _, tc := range []struct {
		name   string
		accept []string
		want   string
	}{
		{"none", nil, text},
		{"empty", []string{""}, text},
		{"anything", []string{"*/*"}, text},
		{"browser", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, text},
		{"text", []string{"text/plain"}, text},
		{"text 0.0.4", []string{"text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}, text},
		{"text 1.0.0", []string{"text/plain;version=1.0.0;escaping=allow-utf-8"}, text},
		{"OpenMetrics without version", []string{"application/openmetrics-text"}, om001},
		{"OpenMetrics 0.0.1", []string{"application/openmetrics-text; version=0.0.1,text/plain;q=0.5"}, om001},
		{"OpenMetrics 1.0.0", []string{acceptOpenMetrics}, om1},
		{"OpenMetrics 2.0.0 alone", []string{"application/openmetrics-text;version=2.0.0"}, text},
		{"OpenMetrics 2.0.0, then 1.0.0", []string{"application/openmetrics-text;version=2.0.0,application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5"}, om1},
		{"protobuf alone", []string{proto}, text},
		{"protobuf, then OpenMetrics", []string{proto + ";q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"}, om1},
		{"Prometheus 2.42", []string{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}, om1},
		{"Prometheus 3", []string{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"}, om1},
		{"text preferred", []string{"text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5"}, text},
		{"OpenMetrics refused", []string{"application/openmetrics-text;version=1.0.0;q=0,*/*"}, text},
		{"two lines", []string{"text/plain;q=0.5", acceptOpenMetrics}, om1},
		{"nonsense", []string{";;,,/;q=,=;*"}, text},
		// Every scheme that a scraper may ask names to be escaped by leaves ours alone.
		{"underscores", []string{acceptText + ";escaping=underscores"}, text},
		{"dots", []string{acceptOpenMetrics + ";escaping=dots"}, om1},
		{"values", []string{acceptOpenMetrics + ";escaping=values"}, om1},
		{"nonsense escaping", []string{acceptText + ";escaping=nonsense"}, text},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, own, all := smallPage()
			r := newRig(t, func(o *Options) { o.Source, o.Gatherer = s, own })
			var headers []string
			for _, line := range tc.accept {
				headers = append(headers, "Accept", line)
			}
			w := r.get("/metrics", headers...)
			got, _, _ := strings.Cut(w.Header().Get("Content-Type"), "; escaping=")
			if got != tc.want {
				t.Fatalf("Content-Type %q, want %q", got, tc.want)
			}
			// Whatever was agreed on, the page is that, its names unchanged.
			check(t, w, all)
			if eof := bytes.HasSuffix(w.Body.Bytes(), []byte("\n# EOF\n")); eof != (tc.want != text) {
				t.Errorf("ends with # EOF: %t", eof)
			}
		})
	}
}

func TestEncodingNegotiation(t *testing.T) {
	for _, tc := range []struct {
		name   string
		accept []string
		gzip   bool
	}{
		{"none", nil, false},
		{"empty", []string{""}, false},
		{"gzip", []string{"gzip"}, true},
		{"case", []string{"GZip"}, true},
		{"old name", []string{"x-gzip"}, true},
		{"among others", []string{"deflate, gzip;q=0.5, br"}, true},
		{"two lines", []string{"br", "gzip"}, true},
		{"refused", []string{"gzip;q=0"}, false},
		{"refused finely", []string{"gzip; q=0.000"}, false},
		{"anything", []string{"*"}, true},
		{"anything but", []string{"gzip;q=0, *"}, false},
		{"nothing but", []string{"*;q=0"}, false},
		{"identity", []string{"identity"}, false},
		{"others", []string{"zstd, br"}, false},
		{"bad q", []string{"gzip;q=x"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _, _ := smallPage()
			r := newRig(t, func(o *Options) { o.Source = s })
			var headers []string
			for _, line := range tc.accept {
				headers = append(headers, "Accept-Encoding", line)
			}
			w := r.get("/metrics?collect[]=connections&collect[]=interfaces&collect[]=captures", headers...)
			if got := w.Header().Get("Content-Encoding") == "gzip"; got != tc.gzip {
				t.Errorf("gzip: %t, want %t", got, tc.gzip)
			}
			check(t, w, want(s))
			if vary := w.Header().Get("Vary"); vary != "Accept, Accept-Encoding" {
				t.Errorf("Vary: %q", vary)
			}
		})
	}
}

// HEAD has GET's headers and costs no walk.
func TestHead(t *testing.T) {
	s := rows.Many(10)
	r := newRig(t, func(o *Options) { o.Source = s })
	w := r.do(http.MethodHead, "/metrics", "Accept", acceptOpenMetrics, "Accept-Encoding", "gzip")
	if w.Code != http.StatusOK || w.Body.Len() != 0 || s.Calls() != 0 {
		t.Errorf("status %d, %d bytes, %d walks", w.Code, w.Body.Len(), s.Calls())
	}
	if h := w.Header(); h.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(h.Get("Content-Type"), "application/openmetrics-text") {
		t.Errorf("header: %v", h)
	}
}
