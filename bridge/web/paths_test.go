// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestRoutePrefix proves that everything is under the prefix and nothing else is anywhere, but
// for a redirect at /.
func TestRoutePrefix(t *testing.T) {
	for _, prefix := range []string{"/a/skybridge", "a/skybridge/"} {
		r := newRig(t, func(o *Options) {
			o.RoutePrefix, o.TelemetryPath, o.EnablePprof = prefix, "/federate/all", true
		})
		for path, status := range map[string]int{
			"/": 302, "/a/skybridge": 307, "/a/skybridge/": 200, "/a/skybridge/federate/all": 200, "/a/skybridge/-/ready": 200,
			"/a/skybridge/api/v1/status": 200, "/a/skybridge/debug/pprof/": 200, "/a/skybridge/debug/pprof/goroutine": 200,
			"/a/skybridge/metrics": 404, "/federate/all": 404, "/metrics": 404, "/-/ready": 404, "/api/v1/status": 404, "/assets/status.js": 404, "/a/": 404,
		} {
			w := r.get(path)
			if w.Code != status || status/100 == 3 && w.Header().Get("Location") != "/a/skybridge/" {
				t.Errorf("%s: status %d, location %q", path, w.Code, w.Header().Get("Location"))
			}
		}
	}
}

// TestLinksOfThePage proves that what the page and its script link and fetch is there, under
// a prefix or none.
func TestLinksOfThePage(t *testing.T) {
	for _, prefix := range []string{"", "/a/skybridge"} {
		r := newRig(t, func(o *Options) {
			o.RoutePrefix, o.TelemetryPath, o.EnablePprof = prefix, "/federate", true
		})
		base, err := url.Parse(prefix + "/")
		if err != nil {
			t.Fatal(err)
		}
		text := r.get(base.Path).Body.String() + r.get(prefix+"/assets/status.js").Body.String()
		links := regexp.MustCompile(`(?:(?:href|src|action)="|ask\(")([^"#]+)"`).FindAllStringSubmatch(text, -1)
		for _, link := range links {
			to, err := base.Parse(html.UnescapeString(link[1]))
			if err != nil {
				t.Fatal(err)
			}
			if w := r.get(to.String()); w.Code != 200 {
				t.Errorf("prefix %q: %s leads to %s: status %d", prefix, link[1], to, w.Code)
			}
		}
		if len(links) < 15 || strings.Count(text, `"federate`) != 5 {
			t.Errorf("prefix %q: links %q", prefix, links)
		}
	}
}

// TestBadPaths proves that paths that cannot be, or belong to other pages, are errors that name
// the flag.
func TestBadPaths(t *testing.T) {
	for _, tc := range []struct{ telemetry, prefix, flag string }{
		{"metrics", "", "--web.telemetry-path"},
		{"/", "", "--web.telemetry-path"},
		{"/metrics/", "", "--web.telemetry-path"},
		{"/metrics?x", "", "--web.telemetry-path"},
		{"/a/../b", "", "--web.telemetry-path"},
		{"/{x}", "", "--web.telemetry-path"},
		{"/-/ready", "", "--web.telemetry-path"},
		{"/api/v1/status", "", "--web.telemetry-path"},
		{"/assets", "", "--web.telemetry-path"},
		{"/debug/pprof/cmdline", "", "--web.telemetry-path"},
		{"/metrics", "/a b", "--web.route-prefix"},
		{"/metrics", "http://host/a", "--web.route-prefix"},
		{"/metrics", "/a/../b", "--web.route-prefix"},
		{"/metrics", "/{x}", "--web.route-prefix"},
	} {
		opts, _ := quietOptions()
		opts.TelemetryPath, opts.RoutePrefix = tc.telemetry, tc.prefix
		if _, err := New(opts); err == nil || !strings.Contains(err.Error(), tc.flag) {
			t.Errorf("%s %s: error %v", tc.telemetry, tc.prefix, err)
		}
	}
}
