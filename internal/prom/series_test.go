// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/receiver"
)

var sameLabels = cmp.Comparer(labels.Equal)

func samples(values []float64) []receiver.Sample {
	var all []receiver.Sample
	for i, v := range values {
		all = append(all, at(15*i, v))
	}
	return all
}

func TestIncarnations(t *testing.T) {
	nan := stale()
	for _, test := range []struct {
		name   string
		values []float64
		want   string
	}{
		{"nothing", nil, ""},
		{"one life that continues", []float64{0, 1, 2}, "0 1 2; "},
		{"ended and back", []float64{0, 1, nan, 0, 5}, "0 1 †1; 0 5; "},
		{"reset without a marker", []float64{0, 9, 0, 5}, "0 9; 0 5; "},
		{"begins without a zero", []float64{4, 9, nan}, "!4 9 †1; "},
		{"back above, without a zero", []float64{0, 9, nan, 12}, "0 9 †1; !12; "},
		{"ended twice", []float64{0, 9, nan, nan}, "0 9 †2; "},
		{"end of what was not seen", []float64{nan, 0, 1}, "0 1; "},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			for _, life := range prom.Incarnations(samples(test.values)) {
				if !life.FromZero() {
					got += "!"
				}
				for j, s := range life.Samples {
					if j > 0 {
						got += " "
					}
					got += fmt.Sprint(s.Value())
				}
				if life.Ended() {
					got += fmt.Sprintf(" †%d", life.Markers)
				}
				got += "; "
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// For any counters that live as a bridge's do, what went in is what every
// oracle reads out of a real Prometheus.
func TestOraclesAgree(t *testing.T) {
	server := start(t, prom.Options{})
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		who := fmt.Sprint("run", runs)
		var (
			fed  float64
			now  int
			body prompb.TimeSeries
		)
		body = series(who)
		add := func(v float64) {
			now += 15
			s := at(now, v)
			body.Samples = append(body.Samples, prompb.Sample{Timestamp: s.At, Value: s.Value()})
		}
		for range rapid.IntRange(1, 5).Draw(t, "lives") {
			var total float64
			add(0)
			for range rapid.IntRange(0, 6).Draw(t, "updates") {
				total += float64(rapid.Int64Range(0, 1<<45).Draw(t, "bytes"))
				add(total)
			}
			fed += total
			if rapid.Bool().Draw(t, "marker") {
				add(stale())
			}
		}
		if err := write(t.Context(), server, body); err != nil {
			t.Fatal(err)
		}

		selector, from, to := metric+`{who="`+who+`"}`, after(0), after(now)
		raw, err := server.RawSeries(t.Context(), selector, from, to)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := server.Client().RawSeries(t.Context(), selector, from, to)
		if err != nil {
			t.Fatal(err)
		}
		grown, err := server.Client().AnchoredIncrease(t.Context(), selector, from, to)
		if err != nil {
			t.Fatal(err)
		}
		if got := receiver.Increase(raw[0].Samples); got != fed {
			t.Fatalf("querier %v, fed %v", got, fed)
		}
		if got := receiver.Increase(asked[0].Samples); got != fed {
			t.Fatalf("query API %v, fed %v", got, fed)
		}
		if got := grown[0].Samples[0].Value(); got != fed {
			t.Fatalf("anchored increase %v, fed %v", got, fed)
		}
		var lives float64
		for _, life := range prom.Incarnations(raw[0].Samples) {
			if !life.FromZero() {
				t.Fatalf("a life begins at %v", life.Samples[0])
			}
			lives += life.Samples[len(life.Samples)-1].Value()
		}
		if lives != fed {
			t.Fatalf("sum of the lives %v, fed %v", lives, fed)
		}
	})
}
