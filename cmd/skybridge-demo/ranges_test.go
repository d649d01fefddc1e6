// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"

	"github.com/skydive-project/skybridge/internal/prom"
)

func TestRanges(t *testing.T) {
	for _, test := range []struct {
		name, update, push string
		minute, exact      string
	}{
		{"the demo's defaults", "10s", "5s", "1m", "65s"},
		{"Skydive's and skybridge's defaults", "60s", "15s", "75s", "75s"},
		{"real agents, the demo's pushes", "60s", "5s", "65s", "65s"},
		{"tests", "10s", "1s", "1m", "61s"},
		{"an update a second", "1s", "1s", "1m", "1m"},
		{"updates that do not divide a minute", "40s", "15s", "95s", "95s"},
		{"few updates in a minute", "20s", "5s", "65s", "65s"},
		{"seldom", "10m", "15s", "615s", "615s"},
		{"pushes more seldom than updates", "10s", "2m", "130s", "130s"},
		{"parts of a second", "1500ms", "1s", "1m", "61s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := ranges{update: duration(t, test.update), push: duration(t, test.push)}
			if minute, exact := promQL(r.minute()), promQL(r.exact()); minute != test.minute || exact != test.exact {
				t.Errorf("%s and %s, want %s and %s", minute, exact, test.minute, test.exact)
			}
			if d, err := model.ParseDuration(promQL(r.exact())); err != nil || time.Duration(d) != r.exact() {
				t.Errorf("Prometheus reads %s as %s, %v", promQL(r.exact()), d, err)
			}
		})
	}
}

// Prometheus itself finds the one true rate at each step over the exact range,
// and does not over the minute that looks right.
func TestExactRangeIsRight(t *testing.T) {
	const length, step = 20 * time.Minute, 7 * time.Second
	start := time.UnixMilli(1_600_000_000_000)
	for _, r := range []ranges{{60 * time.Second, 15 * time.Second}, {10 * time.Second, 5 * time.Second}, {30 * time.Second, 15 * time.Second}} {
		t.Run(r.update.String()+" "+r.push.String(), func(t *testing.T) {
			server, err := prom.Start(prom.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			line := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "m"}}}
			for at := time.Duration(0); at <= length; at += r.push {
				updates := float64((at + 4*time.Second) / r.update) // 4 s before a push
				line.Samples = append(line.Samples, prompb.Sample{
					Timestamp: start.Add(at).UnixMilli(), Value: 1e6 + updates*r.update.Seconds(), // 1 a second; far from 0
				})
			}
			sender, err := remoteapi.NewAPI(server.URL())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := sender.Write(t.Context(), remoteapi.WriteV1MessageType, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{line}}); err != nil {
				t.Fatal(err)
			}

			wrong := func(over time.Duration) (n int) {
				steps := fmt.Sprintf("rate(m[%s])[%s:%s]", promQL(over), promQL(length-5*time.Minute), promQL(step))
				found, err := server.Client().Query(t.Context(), steps, start.Add(length))
				if err != nil || len(found) != 1 {
					t.Fatalf("%d series, %v", len(found), err)
				}
				for _, p := range found[0].Samples {
					if math.Abs(p.Value()-1) > 1e-9 {
						n++
					}
				}
				return n
			}
			if n := wrong(r.exact()); n > 0 {
				t.Errorf("%d rates over %s are wrong", n, promQL(r.exact()))
			}
			if wrong(time.Minute) == 0 {
				t.Error("over a minute all are right too: what is exact for?")
			}
		})
	}
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The first query is the one that the README begins with, at the demo's
// defaults; with Skydive's own pace every rate takes the range that is right.
func TestQueriesFollowTheFlags(t *testing.T) {
	const first = `rate(skydive_network_connection_total_bytes[1m])`
	if got := guideQueries(ranges{update: 10 * time.Second, push: 5 * time.Second})[0].Query; got != first {
		t.Errorf("first query %s, want %s", got, first)
	}
	rates := 0
	for _, q := range guideQueries(ranges{update: time.Minute, push: 15 * time.Second}) {
		if strings.Contains(q.Query, "rate(") {
			rates++
			if !strings.Contains(q.Query, "[75s]") {
				t.Errorf("not over 75s: %s", q.Query)
			}
		}
	}
	if rates != 3 {
		t.Errorf("%d rates", rates)
	}
}
