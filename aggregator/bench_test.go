// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// benchConnections is how many connections the benchmarks have: 5 series each.
const benchConnections = 50_000

// manyConnections returns a world with benchConnections live connections, and the
// first record of each.
func manyConnections(b *testing.B) (w *world, flows []input.Flow) {
	w = newWorld(b, Config{})
	w.known()
	for i := range benchConnections {
		f := w.flow(fmt.Sprintf("%x", i+1), 1000, 500)
		f.NetworkA = fmt.Appendf(nil, "10.%d.%d.%d", i>>16, i>>8&0xff, i&0xff)
		f.TransportA = int64(1024 + i%60000)
		f.Metric.RTT = 1000
		flows = append(flows, f)
	}
	w.Update(flows)
	return w, flows
}

// discard is an Emitter that counts points, and the bytes of connections that end.
type discard struct {
	points int
	bytes  uint64
}

func (d *discard) Connections(points []Point) {
	d.points += len(points)
	for i := range points {
		if p := &points[i]; p.End {
			d.bytes += p.Bytes[0] + p.Bytes[1]
		}
	}
}

func (d *discard) Captures([]CapturePoint)     {}
func (d *discard) Interfaces([]InterfacePoint) {}

// BenchmarkUpdate counts one record of each live connection; the old connector
// needs 23 to 45 µs for a record (measured).
func BenchmarkUpdate(b *testing.B) {
	w, flows := manyConnections(b)
	benchUpdates(b, w, flows)
}

// BenchmarkUpdateShared counts one record of each of two captures of one node for
// each live connection.
func BenchmarkUpdateShared(b *testing.B) {
	w, flows := manyConnections(b)
	for i := range benchConnections {
		f := flows[i]
		f.CaptureID, f.UUID = []byte("c2"), fmt.Appendf(nil, "%x", int64(1)<<40+int64(i))
		flows = append(flows, f)
	}
	w.Update(flows[benchConnections:])
	if n := w.shared.records.used; n != benchConnections {
		b.Fatalf("%d connections are shared, want %d", n, benchConnections)
	}
	benchUpdates(b, w, flows)
}

// benchUpdates counts rounds of records, each of which is synced as a tick would.
// It reports the time of the feed's goroutine, and the CPU of all.
func benchUpdates(b *testing.B, w *world, flows []input.Flow) {
	b.ReportAllocs()
	cpu, syncs := cpuTime(b), time.Duration(0)
	for b.Loop() {
		for i := range flows {
			flows[i].Metric.ABBytes += 1500
			flows[i].Metric.ABPackets++
		}
		w.Update(flows)
	}
	records := float64(b.N * len(flows))
	b.ReportMetric(float64((b.Elapsed()-syncs).Nanoseconds())/records, "ns/record")
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/records, "cpu-ns/record")
}

// cpuTime is what this process has used of all cores.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTick samples every live connection.
func BenchmarkTick(b *testing.B) {
	w, _ := manyConnections(b)
	at := w.time.UnixMilli()
	var d discard
	b.ReportAllocs()
	for b.Loop() {
		at += testInterval.Milliseconds()
		w.Tick(at, testInterval, &d)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(d.points), "ns/connection")
}

// BenchmarkEndedFlows lets flows come and go, each reported once and ended a minute
// later, and reports what the heap takes for each of them a second: where another capture
// may still report the end, a flow is remembered for flow.expire.
func BenchmarkEndedFlows(b *testing.B) {
	const perTick, ticks = 3000, 120
	one := Config{Config: label.Config{Labels: withoutNode()}, Observers: ObserversOne}
	for _, c := range []struct {
		name     string
		cfg      Config
		sources  [][2]string // nodes and captures
		captures int         // of those that report each flow
	}{
		{"one capture", Config{}, [][2]string{{"n1", "c1"}}, 1},
		{"two captures", Config{}, [][2]string{{"n1", "c1"}, {"n1", "c2"}}, 2},
		{"observers one, one node of two", one, [][2]string{{"n1", "c1"}, {"n2", "c2"}}, 1},
		{"observers one, both nodes", one, [][2]string{{"n1", "c1"}, {"n2", "c2"}}, 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				w := newWorld(b, c.cfg)
				w.arrive(c.sources...)
				before, live := heap(), [][]input.Flow{}
				for n := range ticks {
					var flows []input.Flow
					for i := range perTick {
						id := n*perTick + i
						f := w.flow(fmt.Sprintf("%x", id+1), 1000, 100)
						f.NetworkA = fmt.Appendf(nil, "10.%d.%d.%d", id>>16, id>>8&0xff, id&0xff)
						for _, source := range c.sources[:c.captures] {
							f.NodeTID, f.CaptureID = []byte(source[0]), []byte(source[1])
							flows = append(flows, f)
						}
					}
					w.Update(flows)
					if live = append(live, flows); len(live) > 4 {
						for i := range live[0] {
							live[0][i].FinishType = finishTimeout
						}
						w.Update(live[0])
						live = live[1:]
					}
					w.pass(testInterval)
					w.Tick(w.time.UnixMilli()/testInterval.Milliseconds()*testInterval.Milliseconds(), testInterval, &discard{})
				}
				clear(live)
				b.ReportMetric(float64(heap()-before)/(perTick/testInterval.Seconds()), "B/(flow/s)")
				runtime.KeepAlive(w)
			}
		})
	}
}

// BenchmarkRememberedFlows reports what the heap takes for a flow that is only
// remembered: one whose connection has its series for another flow.
func BenchmarkRememberedFlows(b *testing.B) {
	const flows = 1_000_000
	for b.Loop() {
		w := knownWorld(b, Config{MaxFlows: 2 * flows})
		one, before := []input.Flow{w.flow("1", 1000, 500)}, heap()
		for i := range uint64(flows) {
			one[0].UUID = strconv.AppendUint(one[0].UUID[:0], (i+1)*0x9e3779b97f4a7c15, 16)
			w.Update(one)
		}
		b.ReportMetric(float64(heap()-before)/flows, "B/flow")
		runtime.KeepAlive(w)
	}
}

// BenchmarkScrape walks all sampled connections.
func BenchmarkScrape(b *testing.B) {
	w, _ := manyConnections(b)
	at := w.ms(0) - w.ms(0)%testInterval.Milliseconds()
	for range 3 { // counters begin with the third tick on the grid
		at += testInterval.Milliseconds()
		w.Tick(at, testInterval, &discard{})
		w.Publish()
	}
	rows := make([]Row, 64)
	b.ReportAllocs()
	for b.Loop() {
		var cursor ScrapeCursor
		n := 0
		for got := 1; got > 0; n += got {
			got = w.Scrape(&cursor, rows)
		}
		if n != benchConnections {
			b.Fatalf("%d rows, want %d", n, benchConnections)
		}
	}
}

// BenchmarkScrapeTraffic is one look of the status page at all connections.
func BenchmarkScrapeTraffic(b *testing.B) {
	w, _ := manyConnections(b)
	w.tickNow()
	rows := make([]TrafficRow, batch)
	b.ReportAllocs()
	for b.Loop() {
		cursor := ScrapeCursor{}
		for w.ScrapeTraffic(&cursor, rows) > 0 {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchConnections, "ns/connection")
}

// TestUpdatesAllocateNothing: the record of a live connection allocates nothing.
func TestUpdatesAllocateNothing(t *testing.T) {
	w := knownWorld(t, Config{Config: label.Config{Labels: append(label.Default(), "application", "vlan")}})
	flows := []input.Flow{w.flow("1", 1000, 500)}
	w.Update(flows)
	if n := testing.AllocsPerRun(100, func() {
		flows[0].Metric.ABBytes++
		w.Update(flows)
	}); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

// BenchmarkGrowth is BenchmarkUpdate with more and more connections, in an order that
// no memory foresees. What it says of one includes about 100 ns to make its record.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := knownWorld(b, Config{})
			message := make([]input.Flow, 100)
			for j := range message {
				message[j] = w.flow("1", 1000, 500)
				message[j].Metric.RTT = 1000
			}
			order := rand.New(rand.NewPCG(1, 2)).Perm(n)
			round := int64(0)
			play := func() {
				round++
				for at := 0; at < n; at += len(message) {
					for j := range message {
						f, i := &message[j], order[at+j]
						f.UUID = strconv.AppendUint(f.UUID[:0], uint64(i+1)*0x9e3779b97f4a7c15, 16)
						f.NetworkA = append(f.NetworkA[:0], "10."...)
						f.NetworkA = strconv.AppendUint(f.NetworkA, uint64(i), 10)
						f.TransportA = int64(1024 + i%60000)
						f.Metric.ABBytes, f.Metric.ABPackets = 1500*round, round
					}
					w.Update(message)
				}
			}
			play()
			for b.Loop() {
				play()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
		})
	}
}

// BenchmarkInterfaces holds the lock for 10,000 interfaces: to set them, by 256, and to sample
// them when a tick begins, and for a page.
func BenchmarkInterfaces(b *testing.B) {
	w := newWorld(b, Config{})
	var rows []InterfaceRow
	for i := range 10_000 {
		r := iface(fmt.Sprintf("veth%d", i), uint64(i))
		r.NodeTID, r.IPv4, r.IPv6 = fmt.Sprintf("78881b67-36b4-5aea-9412-%012d", i), "10.77.0.2/24", "fd77::2/64,fe80::c4e:caff:fec3:1823/64"
		rows = append(rows, r)
	}
	all := interfaceRows(rows...)
	w.Interfaces(all, input.Refresh{Whole: true, End: true})
	b.Run("set256", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			from := 256 * i % 9000
			w.Interfaces(all[from:from+256], input.Refresh{})
		}
	})
	b.Run("sample", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.interfaces.sample(0)
		}
	})
	b.Run("scrape", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.ScrapeInterfaces(nil)
		}
	})
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			w.Interfaces(nil, input.Refresh{Whole: true})
			b.StopTimer()
			w.Interfaces(all, input.Refresh{})
			b.StartTimer()
			w.Interfaces(nil, input.Refresh{End: true})
		}
	})
}
