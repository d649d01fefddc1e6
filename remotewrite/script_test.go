// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing/synctest"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// script appends ticks that are written as words, each of which says what one series
// does: 1+5 is a zero a push interval before the tick and the value 5 of the counter 1,
// 1>5 the same with the zero a millisecond later, for one that ended in the tick before,
// 1=7 a value, 1:7 one of a counter whose beginning is not known, 1- the end and 1-9 that
// with a final value of 9; 1~3 is a value of the gauge 1, and 1~ its end.
type script struct {
	r        *rig
	counters []*wire.Metric // each word is about all of them
	gauge    *wire.Metric   // if there is one, it does what the counters do
	label    string         // that tells series apart
	common   []wire.Label   // those before it that all have
	start    map[string]int64
	final    map[string]float64
}

func newScript(r *rig) *script {
	return &script{r: r, counters: []*wire.Metric{bytesMetric}, label: "a", start: make(map[string]int64), final: make(map[string]float64)}
}

var wordOfScript = regexp.MustCompile(`^(\w+)([-+>=:~])([0-9]*)$`)

// tick appends one, and lets the endpoints do what they can.
func (s *script) tick(at int64, words string) {
	s.r.t.Helper()
	tick := s.r.log.Begin(at)
	for word := range strings.FieldsSeq(words) {
		parts := wordOfScript.FindStringSubmatch(word)
		if parts == nil {
			s.r.t.Fatalf("%q is not understood", word)
		}
		tick.Labels(append(slices.Clip(s.common), wire.Label{Name: s.label, Value: parts[1]}))
		s.word(tick, at, parts[1], parts[2], parts[3])
	}
	s.r.append(tick)
	synctest.Wait()
}

func (s *script) word(tick *queue.TickBuilder, at int64, name, does, text string) {
	value, _ := strconv.ParseFloat(text, 64)
	if text != "" {
		s.final[name] = value
	}
	switch does {
	case "+":
		s.start[name] = at - pushInterval.Milliseconds()
	case ">":
		s.start[name] = at - pushInterval.Milliseconds() + 1
	case ":":
		s.start[name] = 0
	case "~":
		if text == "" {
			tick.Stale(rttMetric)
		} else {
			tick.Value(rttMetric, 0, value)
		}
		return
	}
	for _, m := range s.counters {
		switch does {
		case "-":
			tick.End(m, s.start[name], s.final[name])
			continue
		case "+", ">":
			tick.Zero(m, s.start[name])
		}
		tick.Value(m, s.start[name], value)
	}
	switch {
	case s.gauge == nil:
	case does == "-":
		tick.Stale(s.gauge)
	default:
		tick.Value(s.gauge, 0, value)
	}
}

// increase sums what the receiver's byte counters have increased by.
func increase(rec *receiver.Receiver) (sum float64) {
	for key, samples := range rec.Series() {
		if strings.HasPrefix(key, "test_bytes") {
			sum += receiver.Increase(samples)
		}
	}
	return sum
}
