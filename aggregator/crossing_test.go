// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// crossing is a connection that several captures watch, second by second: what
// passes, and what each of them reports.
type crossing struct {
	id       int
	rng      *rand.Rand
	busy     float64 // how often something passes
	watchers []*watcher
	tunnel   Tunnels  // which side of one it is, if any
	passed   [2]int64 // bytes that at least one watcher could see, by direction
	uuids    int
}

// watcher is one capture.
type watcher struct {
	node, capture string
	from, until   int   // the seconds in which it watches
	period, phase int   // of its reports
	skew          int64 // of its clock in ms
	loss          float64
	expire        int

	flow     *analyzer.Flow // A sends to B, or swapped
	swapped  bool
	idle     int
	reported analyzer.Metric
	updated  int64
	heard    int64 // when its latest record was not lost
	own      bool  // it reports all that it has, at the end
}

// crossingOptions say what may happen to the watchers of a crossing.
type crossingOptions struct {
	oneNode  bool // all of them on one node
	paired   bool // two of them on one
	late     bool // they may come late and go early
	loss     bool // records get lost
	complete bool // the first one sees, and reports, everything
	maxSkew  int64
	apart    bool // clocks of nodes are apart by more than can be overlooked
}

func drawCrossing(r *rapid.T, id int, o crossingOptions, length int) *crossing {
	c := &crossing{id: id, rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0)), busy: rapid.SampledFrom([]float64{0.05, 0.5, 1}).Draw(r, "busy")}
	c.tunnel = rapid.SampledFrom([]Tunnels{"", "", TunnelsInner, TunnelsOuter}).Draw(r, "tunnel")
	n := rapid.IntRange(1, 3).Draw(r, "watchers")
	for i := range n {
		w := &watcher{
			node: fmt.Sprintf("n%d%d", id, i), capture: fmt.Sprintf("c%d%d", id, i), until: length,
			period: rapid.SampledFrom([]int{5, 10, 10, 60}).Draw(r, "period"),
			expire: rapid.IntRange(20, 60).Draw(r, "expire"), own: true,
		}
		w.phase = rapid.IntRange(0, w.period-1).Draw(r, "phase")
		if o.oneNode {
			w.node = "n0"
		} else if o.paired && i == 1 {
			w.node, w.skew = c.watchers[0].node, c.watchers[0].skew
		} else if o.maxSkew > 0 {
			w.skew = rapid.Int64Range(-o.maxSkew, o.maxSkew).Draw(r, "skew")
			if o.apart && i > 0 {
				w.skew += rapid.SampledFrom([]int64{-3_600_000, -40_000, -11_000, 11_000, 40_000, 3_600_000}).Draw(r, "apart")
			}
		}
		if !o.complete || i > 0 {
			if o.late {
				w.from = rapid.IntRange(0, length-1).Draw(r, "from")
				w.until = rapid.IntRange(w.from, length).Draw(r, "until")
			}
			if o.loss {
				w.loss, w.own = 0.3, false
			}
		}
		c.watchers = append(c.watchers, w)
	}
	return c
}

// second lets the traffic of one second pass, of which the last record must be
// made at now, and returns what is reported at its end.
func (c *crossing) second(s int, now int64) (records []analyzer.Flow) {
	var bytes, packets [2]int64
	if c.rng.Float64() < c.busy {
		for d := range bytes {
			packets[d] = c.rng.Int64N(10)
			bytes[d] = packets[d] * int64(60+d)
		}
	}
	back := c.rng.IntN(2) == 0
	if packets[0] == 0 || packets[1] == 0 {
		back = packets[0] == 0
	}
	seen := false
	for _, w := range c.watchers {
		if s < w.from || s >= w.until {
			continue
		}
		if packets != [2]int64{} {
			seen = true
			w.see(c, bytes, packets, back, now-500)
		} else {
			w.idle++
		}
	}
	if seen {
		c.passed[0] += bytes[0]
		c.passed[1] += bytes[1]
	}
	for _, w := range c.watchers {
		if s >= w.from && w.flow != nil && s%w.period == w.phase {
			began := w.flow.Start - w.skew
			f, ok := w.report(now)
			// Not so many in a row that another capture's flow is evicted before this one
			// is reported.
			if !ok || (c.rng.Float64() < w.loss && now-max(began, w.heard) < 60_000) {
				continue
			}
			w.heard = now
			records = append(records, f)
		}
	}
	return records
}

// see counts packets, the first of which opens a flow where there is none.
func (w *watcher) see(c *crossing, bytes, packets [2]int64, back bool, at int64) {
	w.idle = 0
	at += w.skew
	if w.flow == nil {
		c.uuids++
		w.swapped = back
		ends := []string{"10.0.0.1", "10.0.0.2"}
		ports := []int64{int64(4000 + c.id), 80}
		a, b := 0, 1
		if back {
			a, b = 1, 0
		}
		w.flow = &analyzer.Flow{
			UUID: fmt.Sprintf("%x", int64(c.id+1)<<40|int64(c.uuids)), NodeTID: w.node, CaptureID: w.capture, Start: at,
			Network:   &analyzer.Layer{A: ends[a], B: ends[b]},
			Transport: &analyzer.Transport{Protocol: "TCP", A: ports[a], B: ports[b]},
			Metric:    &analyzer.Metric{Start: at},
		}
		switch w.flow.LayersPath = "Ethernet/IPv4/TCP"; c.tunnel {
		case TunnelsInner:
			w.flow.ParentUUID = "7a"
		case TunnelsOuter:
			w.flow.LayersPath += "/VXLAN"
		}
		w.reported, w.updated = analyzer.Metric{}, at
	}
	m := w.flow.Metric
	if w.swapped {
		bytes[0], bytes[1], packets[0], packets[1] = bytes[1], bytes[0], packets[1], packets[0]
	}
	m.ABBytes += bytes[0]
	m.BABytes += bytes[1]
	m.ABPackets += packets[0]
	m.BAPackets += packets[1]
	m.Last = at
}

// report is an update, or the end record of a flow that was idle for too long.
func (w *watcher) report(now int64) (f analyzer.Flow, ok bool) {
	f = *w.flow
	m := *f.Metric
	f.Metric = &m
	f.LastUpdateMetric = &analyzer.Metric{
		ABBytes: m.ABBytes - w.reported.ABBytes, BABytes: m.BABytes - w.reported.BABytes,
		ABPackets: m.ABPackets - w.reported.ABPackets, BAPackets: m.BAPackets - w.reported.BAPackets,
		Start: w.updated, Last: now + w.skew,
	}
	changed := m.ABPackets != w.reported.ABPackets || m.BAPackets != w.reported.BAPackets
	w.reported, w.updated = m, now+w.skew
	if w.idle > w.expire {
		f.FinishType = 1
		w.flow = nil
		return f, true
	}
	return f, changed
}

// last reports every flow once more.
func (c *crossing) last(now int64) (records []analyzer.Flow) {
	for _, w := range c.watchers {
		if w.flow != nil && w.own {
			f, _ := w.report(now)
			records = append(records, f)
		}
	}
	return records
}

// setClock sets the clock of a node's agent, by so many ms.
func (c *crossing) setClock(node string, by int64) {
	for _, w := range c.watchers {
		if w.node == node {
			w.skew += by
		}
	}
}

// delivery is how records get from the captures to the bridge; the zero one is at once.
type delivery struct {
	rng    *rand.Rand
	ends   int            // an end record is on its way for up to so many seconds
	cutOff int            // and all records of a node, at times
	until  map[string]int // the second at which a node is back that was cut off
	onWay  []delivered
}

type delivered struct {
	analyzer.Flow
	at int
}

func drawDelivery(r *rapid.T) *delivery {
	return &delivery{
		rng:  rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "delivery"), 0)),
		ends: rapid.SampledFrom([]int{0, 30, 500}).Draw(r, "ends"), cutOff: rapid.SampledFrom([]int{0, 20, 100}).Draw(r, "cut off"),
		until: map[string]int{},
	}
}

// second takes the records that are made in a second, and returns those that arrive.
func (d *delivery) second(s int, made []analyzer.Flow) (arrived []analyzer.Flow) {
	for _, f := range made {
		at := s
		if d.ends > 0 && f.FinishType == finishTimeout {
			at += d.rng.IntN(d.ends)
		}
		if d.cutOff > 0 && d.until[f.NodeTID] <= s && d.rng.IntN(30) == 0 {
			d.until[f.NodeTID] = s + d.rng.IntN(d.cutOff)
		}
		d.onWay = append(d.onWay, delivered{f, max(at, d.until[f.NodeTID])})
	}
	d.onWay = slices.DeleteFunc(d.onWay, func(f delivered) bool {
		if f.at <= s {
			arrived = append(arrived, f.Flow)
		}
		return f.at <= s
	})
	return arrived
}
