// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/input"
)

// pointLog is an Emitter that keeps the points of all ticks in their order.
type pointLog struct {
	points     []Point
	captures   []CapturePoint
	interfaces []InterfacePoint
	between    func() // called whenever a tick is between two batches
}

func (l *pointLog) Connections(points []Point) {
	l.points = append(l.points, points...)
	l.between()
}

func (l *pointLog) Captures(points []CapturePoint) { l.captures = append(l.captures, points...) }
func (l *pointLog) Interfaces(points []InterfacePoint) {
	l.interfaces = append(l.interfaces, points...)
}

// TestTickIsAnExactCut proves that a tick has what was counted before it began and nothing
// else, and that what comes after it depends on nothing else either: whether updates arrive
// while it samples or after that makes no difference to any point of any tick.
func TestTickIsAnExactCut(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cfg := Config{ConnectionTimeout: 30 * time.Second, FlowRetention: 5 * time.Minute}
		if rapid.Bool().Draw(r, "bounded") {
			cfg.MaxSeries, cfg.MaxSeriesPerNode, cfg.MaxFlows = 1500, 800, 700
		}
		if rapid.Bool().Draw(r, "ranked") {
			cfg.TopK, cfg.TopKWindow = 200, 40*time.Second
		}
		type message struct {
			when  int // batches of the tick before it; -1: before the tick
			flows []int64
			rtt   int64 // where not 0, there is no traffic
		}
		messages := rapid.Custom(func(r *rapid.T) message {
			first := rapid.Int64Range(0, 800).Draw(r, "first")
			var flows []int64
			for port := range rapid.Int64Range(1, 60).Draw(r, "flows") {
				flows = append(flows, first+port*rapid.SampledFrom([]int64{1, 7}).Draw(r, "step"))
			}
			return message{rapid.IntRange(-1, 3).Draw(r, "when"), flows, rapid.SampledFrom([]int64{0, 0, 5, 7}).Draw(r, "rtt")}
		})
		ticks := rapid.SliceOfN(rapid.SliceOfN(messages, 0, 8), 5, 12).Draw(r, "ticks")

		play := func(meanwhile bool) (*world, *pointLog) {
			w := knownWorld(t, cfg)
			w.conversationKey = conversationKey{}
			log := &pointLog{}
			totals := map[int64]int64{}
			update := func(m message) {
				var flows []input.Flow
				for _, port := range m.flows {
					if m.rtt == 0 {
						totals[port] += 100
					}
					f := w.flow(fmt.Sprintf("%x", 1+port), totals[port], 0)
					f.TransportA, f.NodeTID = 1000+port, fmt.Appendf(nil, "n%d", port%3)
					f.Metric.RTT = m.rtt
					if f.LastUpdate.ABBytes = 100; port%5 == 0 && totals[port]%500 == 0 {
						f.FinishType = finishTimeout
					}
					flows = append(flows, f)
				}
				w.Update(flows)
			}
			many := make([]int64, 600)
			for i := range many {
				many[i] = int64(i)
			}
			update(message{flows: many})
			for _, all := range ticks {
				w.pass(testInterval)
				left := slices.DeleteFunc(slices.Clone(all), func(m message) bool {
					if m.when < 0 {
						update(m)
					}
					return m.when < 0
				})
				slices.SortStableFunc(left, func(x, y message) int { return x.when - y.when })
				batch := 0
				log.between = func() {
					for ; meanwhile && len(left) > 0 && left[0].when <= batch; left = left[1:] {
						update(left[0])
					}
					batch++
				}
				w.Tick(w.time.UnixMilli(), testInterval, log)
				w.Publish()
				for _, m := range left {
					update(m)
				}
				checkBounds(r, w.Aggregator)
			}
			return w, log
		}
		after, want := play(false)
		meanwhile, got := play(true)
		want.between, got.between = nil, nil
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(pointLog{}, Layout{})); diff != "" {
			r.Fatalf("points differ where updates come during ticks (-after +during):\n%.3000s", diff)
		}
		for _, name := range []string{"skybridge_series", "skybridge_flows", "skybridge_connections", "skybridge_overflow_bytes_total", "skybridge_flows_evicted_total"} {
			if a, b := after.metric(name, ""), meanwhile.metric(name, ""); a != b {
				r.Errorf("%s is %v and %v", name, a, b)
			}
		}
	})
}
