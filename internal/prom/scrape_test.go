// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What is scraped can be asked for, with its job and its query's parameters; scraping
// ends with the server (see TestMain).
func TestScrape(t *testing.T) {
	asked := make(chan string, 100)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.RawQuery
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, "m{a=\"b\"} 7\n")
	}))
	defer target.Close()
	s, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	yaml := "scrape_configs: [{job_name: j, scrape_interval: 100ms, scrape_timeout: 100ms, params: {x: ['y']}, static_configs: [{targets: ['" +
		strings.TrimPrefix(target.URL, "http://") + "']}]}]\n"
	if err := s.Scrape(yaml); err != nil {
		t.Fatal(err)
	}
	if err := s.Scrape(yaml); err == nil {
		t.Error("twice is no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for found := []Series(nil); len(found) == 0; {
		select {
		case query := <-asked: // the sample comes soon after; the next request at the latest
			if query != "x=y" {
				t.Errorf("asked with %q", query)
			}
		case <-ctx.Done():
			t.Fatal("nothing was scraped")
		}
		if found, err = s.Client().Query(ctx, `m{a="b",job="j"} == 7`, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestScrapeRefuses(t *testing.T) {
	for name, yaml := range map[string]string{
		"no YAML":                    "}",
		"targets that must be found": "scrape_configs: [{job_name: j, file_sd_configs: [{files: ['x.json']}]}]",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Start(Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Scrape(yaml); err == nil {
				t.Error("no error")
			}
		})
	}
}
