// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/internal/script"
)

// stepMillis is the agents' update period on their own clocks. The feed learns
// in half of that.
const stepMillis = 500

// scenario is what the agents report. Everything that is sent is reported to the
// reference, heard or not: in the end it is said once more.
type scenario struct {
	analyzers []*analyzer.Analyzer
	reference *reference.Reference
	rng       *rand.Rand

	hello []script.Message
	rest  []script.Message
	told  int // of rest
	every time.Duration

	flows map[flowID]int
	last  []analyzer.Flow // the latest record of each flow
	sent  int             // records
	bytes uint64          // by which the flows grew, after the hello

	dropped int // flows that captures say they dropped
}

// flowID is a flow on a capture.
type flowID struct{ uuid, capture string }

// newScenario writes a scenario that takes the given time.
func newScenario(seed uint64, connections int, length time.Duration, analyzers []*analyzer.Analyzer) *scenario {
	s := &scenario{
		analyzers: analyzers, reference: reference.New(),
		rng: rand.New(rand.NewPCG(seed, 3)), flows: map[flowID]int{},
	}
	written := script.Write(script.Options{
		Seed: seed, Connections: connections, Steps: int(2 * length.Milliseconds() / stepMillis),
		Analyzers: len(analyzers), Now: time.Now().UnixMilli(), Step: stepMillis, Points: 3, Clocks: true, Captures: true,
	})
	s.reference.Clocks = true
	s.reference.View = reference.View{
		Tunnels:  []string{"both", "inner", "outer"}[s.rng.IntN(3)],
		Portless: []string{"skip", "count"}[s.rng.IntN(2)],
	}
	s.hello = written.Hello
	for _, messages := range written.Steps {
		s.rest = append(s.rest, messages...)
	}
	s.every = length / time.Duration(len(s.rest))
	return s
}

// send reports records through an analyzer.
func (s *scenario) send(m script.Message) {
	s.sent += len(m.Flows)
	for _, f := range m.Flows {
		if f.CaptureID != script.SecondCapture { // another one tells all of it
			s.reference.Report(f)
		}
		id := flowID{f.UUID, f.CaptureID}
		i, known := s.flows[id]
		switch {
		case !known:
			s.flows[id] = len(s.last)
			s.last = append(s.last, f)
			s.grow(f, 0)
		case f.Metric.ABPackets >= s.last[i].Metric.ABPackets: // else it was overtaken
			s.grow(f, s.last[i].Metric.ABBytes+s.last[i].Metric.BABytes)
			s.last[i] = f
		}
	}
	s.analyzers[m.Analyzer].SendFlows(m.Flows)
}

func (s *scenario) grow(f analyzer.Flow, from int64) {
	if s.told > 0 && f.CaptureID != script.SecondCapture {
		s.bytes += uint64(f.Metric.ABBytes + f.Metric.BABytes - from)
	}
}

// advance continues with the scenario as far as it has come after the given time.
func (s *scenario) advance(elapsed time.Duration) {
	for s.told < len(s.rest) && time.Duration(s.told)*s.every <= elapsed {
		s.told++
		s.send(s.rest[s.told-1])
	}
}

// repeat reports some of the latest flows again as they were.
func (s *scenario) repeat() {
	recent := slices.Clone(s.last[max(0, len(s.last)-200):])
	s.rng.Shuffle(len(recent), func(i, j int) { recent[i], recent[j] = recent[j], recent[i] })
	s.report(recent[:len(recent)/2])
}

// report sends records through any of the analyzers.
func (s *scenario) report(flows []analyzer.Flow) {
	for part := range slices.Chunk(flows, 100) {
		s.send(script.Message{Analyzer: s.rng.IntN(len(s.analyzers)), Flows: part})
	}
}

// beat lets each capture say that it lives, as Skydive's do: flows dropped since the
// report before, and 9 to 11 readings of the packets, which nothing may count.
func (s *scenario) beat(capture string) {
	for _, a := range s.analyzers {
		s.dropped++
		a.SendStats(analyzer.Stats{CaptureID: capture, FlowCount: 1, FlowDropped: 1, PacketsReceived: int64(9+s.dropped%3) * 1000})
	}
}
