//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/bridge/web/status"
	"github.com/skydive-project/skybridge/internal/rows"
)

// moving is a Source whose rates change: the fastest connection is fixed.
type moving struct {
	rows.Source
	mu      sync.Mutex
	fastest int
}

func (m *moving) ScrapeTraffic(c *aggregator.ScrapeCursor, rows []aggregator.TrafficRow) int {
	n := m.Source.ScrapeTraffic(c, rows)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range rows[:n] {
		port, _ := strconv.Atoi(strings.Split(rows[i].Values, "\xff")[1])
		rate := float32(1000 + port%997)
		if port == m.fastest {
			rate = 5e8
		}
		rows[i].Rate = [2]float32{rate, rate / 10}
	}
	return n
}

func (m *moving) lead(port int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fastest = port
}

func newMoving(n int) *moving {
	m := &moving{}
	layout := rows.DirectedLayout()
	for i, row := range rows.Many(n).Rows {
		row.Layout = layout
		row.Values = strings.TrimSuffix(row.Values, "443\xff") + fmt.Sprint([]int{443, 5432, 53}[i%3]) + "\xff"
		m.Rows = append(m.Rows, row)
	}
	return m
}

const firstRow = `document.querySelector("#rows tr").innerText`

// TestBrowserLive proves of 100,000 connections that the page follows what changes
// without being loaded again, that it sorts, filters and turns pages by pointer and by
// keyboard, and that it stops when no one looks.
func TestBrowserLive(t *testing.T) {
	m := newMoving(100_000)
	m.lead(40000)
	r := newRig(t, func(o *Options) { o.State, o.Source = exampleStatus, m })
	b := newBrowser(t, r)
	b.size(1280, 900)
	b.open("/")
	b.await(firstRow + `.includes(":40000")`)
	b.await(`document.getElementById("pager").innerText.startsWith("1–50 of 100,000")`)
	b.act(`window.same = document.querySelector("#rows tr"), 0`)
	m.lead(40001)
	b.await(firstRow + `.includes(":40001")`)
	b.want(`window.same === document.querySelector("#rows tr")`, "true") // changed in place

	// By pointer.
	b.do(chromedp.Click(`//tr[@id="columns"]//a[.="Bytes"]`))
	b.await(`document.querySelector("th[aria-sort=descending]")?.innerText?.startsWith("Bytes")`)
	b.await(firstRow + `.includes("123 GB")`)
	b.want(`location.search`, "?order=desc&sort=bytes")
	b.do(chromedp.Click(chromedp.CSS("#pager a[rel=next]")))
	b.await(`document.getElementById("pager").innerText.startsWith("51–100 of 100,000")`)

	// By keyboard: from the filter's field over its button to the first column, twice.
	b.do(chromedp.Focus(chromedp.CSS("#filter-text")), chromedp.KeyEvent("target_port=53"))
	b.await(`document.getElementById("pager").innerText.startsWith("1–50 of 33,333, of 100,000 in total")`)
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab))
	b.want(`document.activeElement.innerText`, "From")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.await(`document.querySelector("th[aria-sort=ascending]")?.innerText.startsWith("From")`)
	b.await(firstRow + `.includes("10.0.0.2:")`)
	b.want(`document.activeElement.innerText`, "From") // it did not lose its place
	b.do(chromedp.KeyEvent(kb.Enter))
	b.await(`document.querySelector("th[aria-sort=descending]")?.innerText?.startsWith("From")`)
	b.await(firstRow + `.includes("10.1.134.")`)

	// Another page load shows the same view: it is in the address.
	b.do(chromedp.Reload())
	b.await(firstRow + `.includes("10.1.134.")`)
	b.want(`document.getElementById("filter-text").value`, "target_port=53")
	b.do(chromedp.Focus(chromedp.CSS("#filter-text")), chromedp.KeyEvent(" a b c d e f g h i"))
	b.await(`document.getElementById("filter-error").innerText.includes("at most 8")`)
	b.forgive() // the browser logs each answer that is 400
	b.act(`document.getElementById("filter-text").select()`)
	b.do(chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent(kb.Enter))
	b.await(`document.getElementById("filter-error").innerText === "" && document.getElementById("pager").innerText.includes("of 100,000")`)

	// Paused, and hidden, it asks for nothing; seen again, at once.
	wait := `new Promise((done) => setTimeout(done, 6000))`
	for _, stop := range []struct{ name, off, on string }{
		{"paused", `document.getElementById("pause").click()`, `document.getElementById("pause").click()`},
		{
			"hidden", `Object.defineProperty(document, "hidden", {value: true, configurable: true}), document.dispatchEvent(new Event("visibilitychange"))`,
			`delete document.hidden, document.dispatchEvent(new Event("visibilitychange"))`,
		},
	} {
		b.act(stop.off + ", 0")
		b.act(`fetch("-/healthy").then((r) => r.text())`) // what was under way has come
		was := b.count("/api/v1/connections")
		b.act(wait)
		if now := b.count("/api/v1/connections"); now != was {
			t.Errorf("%s, it asked %d times", stop.name, now-was)
		}
		b.act(`document.getElementById("live").textContent = "", ` + stop.on + ", 0")
		b.await(`document.getElementById("live").innerText.startsWith("as of")`)
		if now := b.count("/api/v1/connections"); now <= was {
			t.Errorf("no longer %s, it does not ask", stop.name)
		}
	}
}

// TestBrowserAgrees proves that script and server show the same of the same.
func TestBrowserAgrees(t *testing.T) {
	at := time.Date(2026, 8, 1, 13, 0, 0, 0, time.UTC)
	for name, state := range map[string]func() status.Status{
		"well": exampleStatus,
		"ill": func() status.Status {
			s := exampleStatus()
			s.Ready, s.Message, s.ExactnessSuspended, s.ClockWaitSeconds, s.Storage = false, "not subscribed\u202e", true, 3533, status.Storage{Trouble: "no space\nleft"}
			s.Topology = append(s.Topology, status.Topology{URL: "http://b", LastError: "401"}, status.Topology{URL: "http://c"})
			s.Endpoints = []status.Endpoint{{URL: "http://d", LastError: "<out of order>", LastErrorAt: at, LagSeconds: 200, BacklogTicks: 1400, BacklogSamples: 1e7, State: "failing", Remedy: "look\nhere"}, {URL: "http://e", State: "not contacted"}}
			return s
		},
		"empty": func() status.Status { return status.Status{Now: at, Message: "ready"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := exampleSource()
			switch name {
			case "ill":
				layout := &label.Layout{Names: []string{"application", "host", "initiator_network", "target_ip", "target_name", "target_port"}, Direction: -1}
				s.Rows = []aggregator.Row{
					{Layout: layout, Values: rows.Values("DNS", "h", "lab", "fd42::1", "db", "53"), Bytes: [2]uint64{math.MaxInt32}, Gauges: aggregator.Gauges{1e10}},
					{Layout: layout, Values: rows.Values("", "", "", "", "", "53"), Bytes: [2]uint64{999_500}},
				}
			case "empty":
				s.Rows = nil
			}
			r := newRig(t, func(o *Options) {
				o.State, o.Source, o.Names = func() status.Status {
					s := state()
					for _, list := range []*[]status.Analyzer{&s.Analyzers} {
						if *list == nil {
							*list = []status.Analyzer{}
						}
					}
					if s.Topology == nil {
						s.Topology, s.Endpoints, s.Labels, s.Nodes, s.Overflow = []status.Topology{}, []status.Endpoint{}, []status.Label{}, []status.Node{}, []status.Overflow{}
					}
					return s
				}, s, exampleNames()
			})
			for i := range 14 {
				r.connections.Tick(at.Add(time.Duration(i) * time.Second))
				for j := range s.Rows {
					s.Rows[j].Bytes[0] += uint64(i * i * (j + 1))
				}
			}
			b := newBrowser(t, r)
			const all = `document.querySelector("main").outerHTML.replace(/\s+/g, " ").replace(/> </g, "><").replace(/ (class|aria-sort)=""/g, "").replace(/<(\/?)small[^>]*><\/small>/g, "")`
			b.scripts(false)
			b.open("/")
			without := b.text(all)
			b.scripts(true)
			b.open("/")
			b.await(`document.getElementById("live").innerText.startsWith("as of")`)
			b.act("refresh()")
			if with := b.text(all); with != without {
				i := 0
				for i < min(len(with), len(without)) && with[i] == without[i] {
					i++
				}
				t.Errorf("the server says\n…%.300s\nthe script\n…%.300s", without[max(0, i-100):], with[max(0, i-100):])
			}
		})
	}
}

// TestBrowserHostile proves in a browser that no text is more than text.
func TestBrowserHostile(t *testing.T) {
	layout := rows.DirectedLayout()
	s := &rows.Source{}
	names := rows.Names{Addresses: map[string]string{}, Nodes: map[string]label.NodeNames{}}
	for _, h := range hostile() {
		s.Rows = append(s.Rows, aggregator.Row{Layout: layout, Values: rows.Values(h, h, h, h, h, h), Bytes: [2]uint64{1, 2}})
		names.Addresses[h], names.Nodes[h] = h, label.NodeNames{Name: h, Host: h}
	}
	r := newRig(t, func(o *Options) {
		o.Source, o.Names = s, names
		o.State = func() status.Status {
			all := status.Status{Now: time.Now()}
			for _, h := range hostile() {
				one := hostileStatus(h)
				all.Version, all.Message, all.Config, all.Storage = h, all.Message+h, all.Config+h, one.Storage
				all.Analyzers, all.Topology, all.Endpoints = append(all.Analyzers, one.Analyzers...), append(all.Topology, one.Topology...), append(all.Endpoints, one.Endpoints...)
				all.Overflow, all.Labels, all.Nodes = append(all.Overflow, one.Overflow...), append(all.Labels, one.Labels...), append(all.Nodes, one.Nodes...)
			}
			return all
		}
	})
	b := newBrowser(t, r)
	b.size(1280, 900)
	b.open("/?filter=" + "%3Cscript%3E")
	b.await(`document.getElementById("live").innerText.startsWith("as of")`)
	b.want(firstRow+`.includes("<script>alert(1)</script>")`, "true")
	b.open("/")
	b.await(`document.getElementById("live").innerText.startsWith("as of")`)
	b.act("refresh()")
	b.want(`document.getElementById("live").innerText.startsWith("as of")`, "true")                                                   // by the script, which shows what failed
	b.want(`document.querySelectorAll("script, main img, main h1, iframe, [onload], [onerror], [onmouseover], [style]").length`, "1") // ours
	b.want(`document.querySelectorAll("#rows tr").length`, fmt.Sprint(len(hostile())))
	b.want(`/[\p{Cc}\p{Cf}]/u.test(document.querySelector("main").textContent.replaceAll("\n", ""))`, "false")
	b.want(`document.querySelector("#rows").textContent.includes("\\u{202e}gnp.exe")`, "true")
	b.want(`document.title`, "skybridge")
	// Even a script that wanted to could not.
	b.want(`(() => { try { document.body.innerHTML = "<b>"; return "markup" } catch (e) { return e.name } })()`, "TypeError")
	b.forgive() // it complained about that
	b.picture("hostile")
}

// TestBrowserWithoutJavaScript proves that links and the form do without.
func TestBrowserWithoutJavaScript(t *testing.T) {
	r := newRig(t, func(o *Options) { o.State, o.Source = exampleStatus, newMoving(200) })
	b := newBrowser(t, r)
	b.size(1280, 900) // narrow windows leave columns out
	b.scripts(false)
	b.open("/")
	b.load(chromedp.Click(`//tr[@id="columns"]//a[.="Round trip"]`))
	b.want(`document.querySelector("th[aria-sort=descending]").innerText.startsWith("Round trip")`, "true")
	b.load(chromedp.SendKeys(chromedp.CSS("#filter-text"), "target_port=53"+kb.Enter))
	b.want("location.search", "?filter=target_port%3D53&sort=rtt&order=desc")
	b.want(`document.getElementById("pager").innerText.startsWith("1–50 of 66, of 200")`, "true")
	b.load(chromedp.Click(chromedp.CSS("#pager a[rel=next]")))
	b.want(`document.getElementById("pager").innerText.startsWith("51–66 of 66")`, "true")
}

// TestBrowserLooks takes pictures for a person, and proves what can be without one:
// nothing is wider than the window, everything that can be used has a name.
func TestBrowserLooks(t *testing.T) {
	m := newMoving(2000)
	m.lead(40000)
	names := exampleNames()
	names.Nodes["4f1d4ac1-5b5a-5e5c-7b5b-1234567890ab"] = label.NodeNames{Name: "br0", Host: "site-1"}
	for i := range 200 {
		names.Addresses[fmt.Sprintf("192.168.7.%d", i)] = fmt.Sprintf("web-%d", i)
	}
	r := newRig(t, func(o *Options) { o.State, o.Source, o.Names = exampleStatus, m, names })
	for i := range 60 {
		m.lead(32768 + (i*i)%100)
		r.connections.Tick(time.Now().Add(time.Duration(i-60) * 15 * time.Second))
	}
	b := newBrowser(t, r)
	for _, look := range []struct {
		name, scheme  string
		width, height int64
	}{
		{"light", "light", 1280, 900}, {"dark", "dark", 1280, 900}, {"tablet", "light", 800, 1000},
		{"phone", "light", 390, 844}, {"phone-dark", "dark", 390, 844}, {"narrow", "light", 320, 640},
	} {
		b.size(look.width, look.height)
		b.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}},
		}))
		b.open("/?limit=12")
		b.await(`document.getElementById("live").innerText.startsWith("as of")`)
		b.act("refresh()")
		if wide := b.text(`document.documentElement.scrollWidth`); wide != fmt.Sprint(look.width) {
			t.Errorf("%s is %s wide", look.name, wide)
		}
		b.picture(look.name)
	}
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role := strings.Trim(string(n.Role.Value), `"`)
		seen[role]++
		switch role {
		case "link", "button", "searchbox", "heading", "table", "columnheader", "DisclosureTriangle", "search", "navigation":
			if n.Name == nil || strings.Trim(string(n.Name.Value), `" `) == "" {
				t.Errorf("a %s has no name", role)
			}
		}
	}
	if seen["link"] < 10 || seen["button"] != 2 || seen["searchbox"] != 1 || seen["heading"] < 10 {
		t.Errorf("%v", seen)
	}
}
