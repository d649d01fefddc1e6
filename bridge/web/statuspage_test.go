// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/bridge/web/status"
	"github.com/skydive-project/skybridge/internal/rows"
)

// shown returns what a person reads on a page.
func shown(page string) string {
	page = regexp.MustCompile(`(?s)<(style|script|title).*?</(style|script|title)>|<[^>]*>`).ReplaceAllString(page, " ")
	return strings.Join(strings.Fields(html.UnescapeString(page)), " ")
}

// TestStatusPageWithoutJavaScript proves that all is on the page that a server can
// say of one moment.
func TestStatusPageWithoutJavaScript(t *testing.T) {
	at := time.Date(2026, 8, 1, 13, 0, 0, 0, time.UTC)
	r := newRig(t, func(o *Options) { o.State, o.Source, o.Names = exampleStatus, exampleSource(), exampleNames() })
	r.at(at)
	w := r.get("/")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, header %v", w.Code, w.Header())
	}
	text := shown(w.Body.String())
	for _, want := range []string{
		"Samples refused", "as of 13:00:00 UTC", "Traffic 1.60 kB/s", "Series 50,012 5 % of 1,000,000", "Connections 10,000 100 % of 10,000",
		"Flows 41,234 1 % of 4,000,000", "Updates 343/s", "Disk 1.14 MiB 0 % of 9.31 GiB and 8.01 MiB of counters and flows",
		"analyzer-3 exists, and is not subscribed to : a peer of ws://analyzer-1:8082/ws/subscriber/flow", "ws://analyzer-1:8082/ws/subscriber/flow analyzer-1 subscribed for 60 min Updates 343/s Latest message 0 s ago Reconnects 0 Messages dropped 0",
		"ws://analyzer-2:8082/ws/subscriber/flow not subscribed for 60 min Updates 0/s Latest message none yet Reconnects 12 Messages dropped 3 59 min ago: dial: <refused>",
		"Names from http://analyzer-1:8082 known 421 nodes, answered 10 s ago",
		"https://mimir.example.net/api/v1/push accepts remote_name mimir Latest success 0 s ago Lag 0 s Backlog 0 ticks, 0 samples Last 15 minutes 0 samples refused, 0 B lost Remote-write 2.0",
		"A receiver refused samples. http://prometheus:9090 refused 12,345 in the last 15 minutes, its latest error was 5 s ago. They are not retried: live connections make up for it, 6.78 MB of ended ones are lost.",
		"http://prometheus:9090 refused samples lately remote_name prometheus Latest success none yet Lag 0 s Backlog 0 ticks, 0 samples Last 15 minutes 12,345 samples refused, 6.78 MB lost Remote-write 1.0 5 s ago: HTTP status 404 Not Found: 404 page not found check the path of url",
		"10.0.0.7:40122 database 10.0.1.20:5432 TCP br0 · site-1 300 B/s 1.20 kB/s 300 B 1.20 kB 456 µs",
		"others others UDP 100 B/s 0 B/s 100 B 0 B", "1–2 of 2",
		"initiator_port 8,122 2,310", "br0 4f1d4ac1-5b5a-5e5c-7b5b-1234567890ab 20,000 123 kB", "top_k 98.8 MB 31,040",
		"analyzers: [ws://analyzer-1:8082, ws://analyzer-2:8082]", "skybridge 1.2.3 , up for 60 min", "Without JavaScript",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if n := strings.Count(w.Body.String(), "<polyline"); n != 3 { // all, and two connections
		t.Errorf("%d lines", n)
	}
}

// TestStatusPageInTrouble proves that what is wrong is said in words.
func TestStatusPageInTrouble(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.State = func() status.Status {
			return status.Status{
				Now: time.Now(), Message: "not subscribed to any analyzer", ExactnessSuspended: true, ClockWaitSeconds: 3533,
				Storage:  status.Storage{Trouble: "log: write: no space left on device"},
				Topology: []status.Topology{{URL: "http://a", LastError: "HTTP status 401"}, {URL: "http://b"}},
				Endpoints: []status.Endpoint{{URL: "http://c", LastError: "out of order sample", LastErrorAt: time.Now(), LagSeconds: 200, BacklogTicks: 14, State: "failing"}, {URL: "http://d", State: "not contacted"}, {
					URL: "http://e", LastError: "HTTP status 401 Unauthorized", LastErrorAt: time.Now(), Remedy: "check the credentials", State: "failing",
					RetriedUntil: time.Date(2026, 8, 1, 12, 30, 0, 0, time.UTC),
				}},
			}
		}
	})
	text := shown(r.get("/").Body.String())
	for _, want := range []string{
		"Not ready not subscribed to any analyzer", "Exactness is suspended.", "no space left on device", "The clock was set back. No samples for 58 min",
		"http://a not known HTTP status 401", "http://b not queried yet", "http://c does not accept Latest success none yet Lag 3 min Backlog 14 ticks",
		"A receiver refuses samples. http://e : they are retried until 12:30:00 UTC, then they are lost. check the credentials", "http://e refuses samples, retried",
		"0 s ago: out of order sample", "http://d not contacted yet", "None yet: they appear after the first tick.", "no --storage.path",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for state, title := range map[string]string{"ok": "Ready", "not contacted": "Ready", "failing": "Receiver failing", "refusing": "Samples refused"} {
		r := newRig(t, func(o *Options) {
			o.State = func() status.Status {
				return status.Status{Ready: true, Message: "ready", Endpoints: []status.Endpoint{{URL: "http://a", State: "ok"}, {URL: "http://b", State: state}}}
			}
		})
		if text := shown(r.get("/").Body.String()); !strings.Contains(text, "skybridge "+title+" as of") {
			t.Errorf("with a receiver that is %s:\n%.200s", state, text)
		}
	}
	none := newRig(t, nil)
	if text := shown(none.get("/").Body.String()); !strings.Contains(text, "None configured: scrape the metrics") {
		t.Errorf("without receivers:\n%s", text)
	}
}

// TestStatusPageIsPaged proves that the links lead through all connections, in the
// order and through the filter that were asked for.
func TestStatusPageIsPaged(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Source = rows.Many(120) })
	link := regexp.MustCompile(`<a rel="next" href="([^"]*)">Next</a>`)
	seen, target := 0, "/?sort=initiator_ip&order=desc&filter=10.0.0&utm=x"
	for {
		page := r.get(target).Body.String()
		seen += strings.Count(page, `<td class="where">`)
		if !strings.Contains(page, `aria-sort="descending"><a href="?`) || !strings.Contains(page, `value="10.0.0"`) {
			t.Fatalf("%s:\n%s", target, page)
		}
		next := link.FindStringSubmatch(page)
		if next == nil {
			break
		}
		target = "/" + html.UnescapeString(next[1])
	}
	if seen != 120 || !strings.Contains(target, "offset=100") {
		t.Errorf("%d rows, last %s", seen, target)
	}
	if page := r.get("/?offset=100").Body.String(); !strings.Contains(page, `rel="prev" href="?offset=50&amp;order=desc&amp;sort=rate"`) {
		t.Errorf("no way back:\n%s", page)
	}
	if text := shown(r.get("/?filter=nowhere").Body.String()); !strings.Contains(text, "No matches.") || !strings.Contains(text, "0, of 120 in total") {
		t.Errorf("nothing matches:\n%s", text)
	}
	// Each column that can be sorted is sorted by its link, and turned by it.
	page := r.get("/").Body.String()
	for _, want := range []string{`href="?order=asc&amp;sort=rate"`, `href="?order=desc&amp;sort=bytes"`, `href="?order=desc&amp;sort=rtt"`, `href="?order=asc&amp;sort=initiator_ip"`, `href="?order=asc&amp;sort=target_ip"`, `href="?order=asc&amp;sort=protocol"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
}

// hostile are texts that try to be markup, script, or something other than they are.
func hostile() []string {
	return []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, "</pre></details><h1>hi</h1>",
		"javascript:alert(1)", "{{.Config}}", "\u202egnp.exe\u202c", "\x00\x1b]0;x\x07", "<!--", "&lt;b&gt;", "</title><svg onload=alert(1)>", "${alert(1)}",
	}
}

// hostileStatus has a hostile text wherever one can come from elsewhere.
func hostileStatus(h string) status.Status {
	return status.Status{
		Version: h, Message: h, Config: h, Storage: status.Storage{Trouble: h}, ExactnessSuspended: true,
		Analyzers: []status.Analyzer{{URL: h, LastError: h}}, Topology: []status.Topology{{URL: h, LastError: h}},
		Endpoints: []status.Endpoint{{Name: h, URL: h, Version: h, LastError: h, Remedy: h, State: h}, {URL: h, State: "refusing"}},
		Overflow:  []status.Overflow{{Reason: h}}, Labels: []status.Label{{Name: h}}, Nodes: []status.Node{{TID: h, Name: h}},
	}
}

// TestHostileTextIsText proves that nothing that comes from the network, from a
// receiver or from the client is markup, and that what is not to be seen is shown.
func TestHostileTextIsText(t *testing.T) {
	tag := regexp.MustCompile(`<[!/a-zA-Z]`)
	clean := newRig(t, func(o *Options) {
		o.State, o.Source = func() status.Status { return hostileStatus("x") }, hostileSource("x")
		o.Names = rows.Names{Addresses: map[string]string{"x": "x"}, Nodes: map[string]label.NodeNames{"x": {Name: "x", Host: "x"}}}
	}).get("/?filter=x").Body.String()
	for _, h := range hostile() {
		r := newRig(t, func(o *Options) {
			o.State, o.Source = func() status.Status { return hostileStatus(h) }, hostileSource(h)
			o.Names = rows.Names{Addresses: map[string]string{h: h}, Nodes: map[string]label.NodeNames{h: {Name: h, Host: h}}}
		})
		if r.get("/?filter="+url.QueryEscape(h)).Code != 200 {
			t.Errorf("%q as a filter", h)
		}
		// No tag more than with a harmless text.
		page := r.get("/").Body.String()
		harmless := strings.Replace(clean, `value="x"`, `value=""`, 1)
		if got, want := len(tag.FindAllString(page, -1)), len(tag.FindAllString(harmless, -1)); got != want {
			t.Errorf("%q makes %d tags of %d:\n%s", h, got, want, page)
		}
		if strings.ContainsFunc(page, func(r rune) bool { return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) && r != '\n' }) {
			t.Errorf("%q hides something", h)
		}
		var shown strings.Builder
		for _, r := range h {
			if unicode.In(r, unicode.C) {
				fmt.Fprintf(&shown, `\u{%x}`, r)
			} else {
				shown.WriteRune(r)
			}
		}
		if got := strings.Count(html.UnescapeString(page), shown.String()); got < 15 {
			t.Errorf("%q is shown %d times", h, got)
		}
	}
}

func hostileSource(h string) *rows.Source {
	return &rows.Source{Rows: []aggregator.Row{{
		Layout: rows.DirectedLayout(), Values: rows.Values(h, h, h, h, h, h), Bytes: [2]uint64{1, 2}, Packets: [2]uint64{1, 1},
	}}}
}

// TestStatusPageLoadsNothingFromElsewhere proves that every link of the page and every
// file that it needs is the server's own, and that its policy allows no more.
func TestStatusPageLoadsNothingFromElsewhere(t *testing.T) {
	r := newRig(t, func(o *Options) { o.EnablePprof = true })
	w := r.get("/")
	page := w.Body.String()
	links := regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 15 {
		t.Errorf("%d links:\n%s", len(links), page)
	}
	for _, link := range links {
		// Relative ones work behind a proxy with a path of its own as well.
		if to := html.UnescapeString(link[1]); strings.HasPrefix(to, "/") || strings.Contains(to, "//") {
			t.Errorf("leaves the server: %s", to)
		} else if !strings.HasPrefix(to, "#") {
			if w := r.get("/" + to); w.Code != 200 {
				t.Errorf("%s: status %d", to, w.Code)
			}
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("no %s in %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.Contains(policy, "data:") || strings.Contains(policy, "*") {
		t.Errorf("policy: %s", policy)
	}
	if w.Header().Get("Referrer-Policy") != "no-referrer" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("header: %v", w.Header())
	}
	if inline := regexp.MustCompile(` (style|on[a-z]+)=|<style|<script>`).FindString(page); inline != "" {
		t.Errorf("inline, which the policy forbids: %s", inline)
	}
	for path := range r.assets {
		if strings.Contains(strings.ReplaceAll(r.get(path).Body.String(), "http://www.w3.org/2000/svg", ""), "://") {
			t.Errorf("%s names another place", path)
		}
	}
}

func TestAssets(t *testing.T) {
	r := newRig(t, nil)
	for _, name := range []string{"status.css", "status.js", "icon.svg"} {
		plain := r.get("/assets/" + name)
		packed := r.get("/assets/"+name, "Accept-Encoding", "gzip")
		if plain.Code != 200 || plain.Body.Len() == 0 || plain.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: status %d, %v", name, plain.Code, plain.Header())
		}
		tag := packed.Header().Get("ETag")
		if string(body(t, packed)) != plain.Body.String() || tag == plain.Header().Get("ETag") {
			t.Errorf("%s: compressed it is something else", name)
		}
		again := r.get("/assets/"+name, "Accept-Encoding", "gzip", "If-None-Match", tag)
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 || again.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: asked again, status %d, %v", name, again.Code, again.Header())
		}
		if other := r.get("/assets/"+name, "If-None-Match", tag); other.Code != 200 {
			t.Errorf("%s: the tag of the other form: status %d", name, other.Code)
		}
	}
}

// TestAnswersAreBounded proves that clients that do not take their answers cost a
// bounded number of them, and no more.
func TestAnswersAreBounded(t *testing.T) {
	r := newRig(t, nil)
	// Two of one address, one of another, and so on, until all places are taken.
	r.answers = newPlaces(fairly(4))
	var leave func()
	for _, remote := range []string{"198.51.100.1:1", "198.51.100.1:2", "198.51.100.2:1", "198.51.100.3:1"} {
		var ok bool
		if leave, ok = r.answers.enter(client(&http.Request{RemoteAddr: remote})); !ok {
			t.Errorf("%s has no place", remote)
		}
	}
	for _, target := range []string{"/", "/api/v1/status", "/api/v1/connections"} {
		if w := r.get(target); w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	if n := r.metric(t, "skybridge_http_answers_rejected_total", ""); n != 3 {
		t.Errorf("%v counted", n)
	}
	for _, target := range []string{"/metrics", "/-/healthy", "/-/ready", "/assets/status.js"} {
		if w := r.get(target); w.Code != 200 {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	leave()
	for range 3 { // each gives its place back
		if w := r.get("/"); w.Code != 200 {
			t.Errorf("status %d", w.Code)
		}
	}
}
