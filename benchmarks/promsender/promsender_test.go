// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package promsender

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/skydive-project/skybridge/internal/leaks"
	"github.com/skydive-project/skybridge/internal/receiver"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

// TestSenderSendsTheSameAsWeDo: external labels, and in 2.0 the start timestamps of
// counters; without them the comparison on the wire would not be one.
func TestSenderSendsTheSameAsWeDo(t *testing.T) {
	for name, version2 := range map[string]bool{"1.0": false, "2.0": true} {
		t.Run(name, func(t *testing.T) {
			to := receiver.New(receiver.Config{})
			defer to.Close()
			url, err := to.Start()
			if err != nil {
				t.Fatal(err)
			}
			s, err := Open(Options{
				Dir: t.TempDir(), URL: url, Version2: version2, BatchDeadline: 10 * time.Millisecond,
				ExternalLabels: labels.FromStrings("cluster", "a"), Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			s.Add(labels.FromStrings("__name__", "bytes", "b", "c"), true)
			s.Add(labels.FromStrings("__name__", "rtt"), false)
			// The sender looks for a tick that it was not told of only each 15 s, and is not
			// told of any before it listens; so there are several.
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for at := time.Now().UnixMilli() + 1000; len(to.Series()) < 2; at += 20 { // what is older than its start is not sent
				<-tick.C
				if err := s.Tick(at-500, at, 7); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			for key, want := range map[string]struct {
				value     float64
				isCounter bool
			}{`bytes{b="c",cluster="a"}`: {7, true}, `rtt{cluster="a"}`: {8, false}} {
				start := int64(0)
				samples := to.Series()[key]
				if len(samples) == 0 {
					t.Fatalf("no %s among %v", key, to.Series())
				}
				if version2 && want.isCounter {
					start = samples[0].At - 500
				}
				if samples[0].Value() != want.value || samples[0].Start != start {
					t.Errorf("%s has %+v, want the value %v and the start %d", key, samples[0], want.value, start)
				}
			}
		})
	}
}
