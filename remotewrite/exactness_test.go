// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// plan is a random course of events for one endpoint.
type plan struct {
	log      queue.Config
	endpoint EndpointConfig
	ticks    []plannedTick
	faults   []string // of the first requests, by kind
	refuses  bool     // whether "400" is among them
	without1 *receiver.Fault
	without2 *receiver.Fault
	maxBytes int // of a request
}

type plannedTick struct {
	gap    time.Duration // to the tick before
	down   string        // kind of fault of every request until the next tick, "" none
	reload bool          // the endpoint's config changes before it
	swap   bool          // the receiver changes to the versions that it did not speak
	tuples []action
}

// action is what happens to a tuple at a tick.
type action int

const (
	grow  action = iota // begins where it is not live
	rest                // the value stays, nothing where it is not live
	end                 // ends where it is live
	short               // begins and grows, where it is not live; else as end
)

func drawPlan(t *rapid.T) plan {
	p := plan{
		log: queue.Config{
			MaxBytes:     rapid.SampledFrom([]int64{0, 1, 1500, 4000}).Draw(t, "max bytes"),
			MaxAge:       rapid.SampledFrom([]time.Duration{0, 0, 2 * pushInterval, 20 * pushInterval}).Draw(t, "max age"),
			PushInterval: rapid.SampledFrom([]time.Duration{0, pushInterval}).Draw(t, "push interval"),
		},
		endpoint: EndpointConfig{
			Name: "a", URL: "http://a/", Timeout: 10 * time.Second, RetryOn429: true,
			MinShards: rapid.IntRange(1, 4).Draw(t, "shards"), MaxSamplesPerSend: rapid.IntRange(1, 6).Draw(t, "samples per send"),
		},
	}
	p.endpoint.ProtobufMessage = rapid.SampledFrom([]Message{Message1, Message2, MessageAuto, MessageAuto}).Draw(t, "message")
	if p.endpoint.ProtobufMessage != Message2 {
		p.without2 = rapid.SampledFrom([]*receiver.Fault{nil, nil, {}, {Status: 415}, {Status: 400}, {Status: 403}}).Draw(t, "without 2.0")
	}
	if p.endpoint.ProtobufMessage == MessageAuto && p.without2 == nil {
		p.without1 = rapid.SampledFrom([]*receiver.Fault{nil, nil, {Status: 415}, {Status: 404}}).Draw(t, "without 1.0")
	}
	// Each sample alone is smaller than 150 bytes.
	p.maxBytes = rapid.SampledFrom([]int{0, 0, 150, 200}).Draw(t, "max bytes")
	kinds := []string{"", "", "", "", "500", "500 stored", "503 later", "408", "425", "429", "dropped", "stored, dropped", "reset", "hang", "hang, stored", "slow"}
	if p.refuses = rapid.Bool().Draw(t, "refuses"); p.refuses {
		kinds = append(kinds, "400")
	}
	p.faults = rapid.SliceOfN(rapid.SampledFrom(kinds), 0, 60).Draw(t, "faults")
	gaps := []time.Duration{pushInterval, pushInterval, pushInterval, 2 * time.Millisecond, 7 * time.Second, time.Minute}
	downs := []string{"", "", "", "500", "500 stored", "stored, dropped", "hang", "hang, stored"}
	for range rapid.IntRange(2, 25).Draw(t, "ticks") {
		tick := plannedTick{
			gap:    rapid.SampledFrom(gaps).Draw(t, "gap"),
			down:   rapid.SampledFrom(downs).Draw(t, "down"),
			reload: rapid.IntRange(0, 9).Draw(t, "reload") == 0,
			swap:   p.endpoint.ProtobufMessage == MessageAuto && rapid.IntRange(0, 9).Draw(t, "swap") == 0,
		}
		for range tuples {
			tick.tuples = append(tick.tuples, rapid.SampledFrom([]action{grow, grow, grow, rest, end, short}).Draw(t, "action"))
		}
		if tick.swap {
			// A receiver that is exchanged while a request is under way, after it refused the
			// same in the other version, has refused both.
			p.faults = slices.DeleteFunc(p.faults, func(kind string) bool { return kind == "slow" })
		}
		p.ticks = append(p.ticks, tick)
	}
	return p
}

func fault(kind string) receiver.Fault {
	switch kind {
	case "400":
		return receiver.Fault{Status: 400, Header: http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"0"}}}
	case "408":
		return receiver.Fault{Status: 408}
	case "425":
		return receiver.Fault{Status: 425, Header: http.Header{"Retry-After": {"2"}}}
	case "429":
		return receiver.Fault{Status: 429, Header: http.Header{"Retry-After": {"1"}}}
	case "500":
		return receiver.Fault{Status: 500}
	case "500 stored":
		return receiver.Fault{Status: 500, Store: true}
	case "503 later":
		return receiver.Fault{Status: 503, Header: http.Header{"Retry-After": {"40"}}}
	case "dropped":
		return receiver.Fault{NoAnswer: true, Status: 500}
	case "stored, dropped":
		return receiver.Fault{NoAnswer: true, Store: true}
	case "reset":
		return receiver.Fault{ResetAfter: 7}
	case "hang":
		return receiver.Fault{HangForever: true}
	case "hang, stored":
		return receiver.Fault{HangForever: true, Store: true}
	case "slow":
		return receiver.Fault{ReadPause: 3 * time.Second}
	}
	return receiver.Fault{}
}

// check compares what the receiver has with what was appended.
func (w *world) check(p plan) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	own := 0
	for key, stored := range w.rec.Series() {
		var want float64
		generation, last, zeroFirst := 0, 0.0, true
		for i, s := range stored {
			g, ok := w.appended[key][s.At]
			switch {
			case ok && g.bits == s.Bits:
				own++
			case s.Bits == 0:
				// A zero in place of one that was dropped. It belongs to the next
				// sample, if there is one.
				next := w.following(key, stored[i+1:])
				if g = next.given; g.generation == generation && last != 0 {
					bad("%s: zero in mid-count at %d", key, s.At)
				}
				// The longest distance of two ticks in a plan, with a restart between. What
				// another zero follows has no value of its own: its life did not arrive.
				// Nor has one whose value a process died over, and the next one dropped: it
				// was made for a value that was given soon after.
				const longest = int64(62_000)
				alone := i+1 < len(stored) && stored[i+1].Bits == 0 || w.restarts > 0 && w.givenSoon(key, s.At, longest)
				if !alone && next.at-s.At > longest && p.log.MaxAge == 0 && !p.refuses {
					bad("%s: zero at %d is too far from %d for rate()", key, s.At, next.at)
				}
			case w.endedAfter(key, s.At).value == s.Value():
				// A final value in place of one that was dropped.
				g.generation = w.endedAfter(key, s.At).generation
			default:
				bad("%s: sample %v at %d was never appended", key, s.Value(), s.At)
			}
			if s.Stale() {
				continue
			}
			if g.generation != generation {
				want += last
				generation = g.generation
				zeroFirst = zeroFirst && s.Bits == 0
			}
			last = s.Value()
		}
		want += last
		if key[:len(bytesMetric.Name)] != bytesMetric.Name || (p.refuses && !zeroFirst) {
			continue // a gauge; or a zero was refused, and the count with it
		}
		if !zeroFirst {
			bad("%s: counts from something else than 0: %v", key, stored)
		}
		if got := receiver.Increase(stored); got != want {
			bad("%s: increase %v, want %v: %v", key, got, want, stored)
		}
	}
	dropped, failed := w.rig.metricEver(prefix+"samples_dropped_total"), w.rig.metricEver(prefix+"samples_failed_total")
	missing := float64(w.samples - own)
	switch {
	case missing > dropped+failed+float64(w.uncertain):
		bad("%v samples are missing, but %v were counted dropped and %v failed, and %v were not on disk", missing, dropped, failed, w.uncertain)
	case w.restarts == 0 && p.log.MaxAge == 0 && !p.refuses && missing != dropped+failed:
		// (What is given up may have arrived, and refused zeros may be repairs.)
		bad("%v samples were counted dropped and %v failed, but %v are missing", dropped, failed, missing)
	case p.log.MaxAge == 0 && p.log.MaxBytes == 0 && dropped > 0:
		bad("%v samples were dropped without a bound", dropped)
	}
	w.checkPending(bad)
	return problems
}

// givenSoon says whether a value was given to a series after at, but not long after.
func (w *world) givenSoon(key string, at, longest int64) bool {
	for given, g := range w.appended[key] {
		if given > at && given-at <= longest && g.bits != 0 {
			return true
		}
	}
	return false
}

// followed is an appended sample and its time.
type followed struct {
	given
	at int64
}

// following finds the first value among stored that was appended. Without one,
// it is of a life that nothing else is known of.
func (w *world) following(key string, stored []receiver.Sample) followed {
	for _, s := range stored {
		if g, ok := w.appended[key][s.At]; ok && g.bits == s.Bits && !s.Stale() {
			return followed{g, s.At}
		}
		if f := w.endedAfter(key, s.At); f.value == s.Value() && s.Bits != 0 {
			return followed{given{generation: f.generation}, s.At}
		}
	}
	return followed{given: given{generation: -1}}
}

func (w *world) checkPending(bad func(string, ...any)) {
	if got := w.rig.metric(prefix + "samples_pending"); got != 0 {
		bad("%v samples are pending at the end", got)
	}
	if u := w.rig.log.Usage(); u.Ticks != 0 || u.Bytes != 0 {
		bad("%d ticks with %d bytes are left in the log", u.Ticks, u.Bytes)
	}
}

// TestExactness proves the purpose of the package: whatever ticks come and
// whatever the receiver does, every sample arrives or is counted; no duty of a
// sender is broken; and each counter's increase at the receiver is what was
// counted up to the last sample of each of its lives that arrived.
func TestExactness(t *testing.T) { checkPlans(t, nil) }

// TestDurableExactness proves the same of a durable log.
func TestDurableExactness(t *testing.T) {
	checkPlans(t, func(*rapid.T) course { return course{dieAt: -1} })
}

// checkPlans plays random plans, on a disk where draw gives the courses of their ticks.
func checkPlans(t *testing.T, draw func(t *rapid.T) course) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		var courses []course
		if draw != nil {
			p.log.SegmentBytes = rapid.SampledFrom([]int64{0, 1, 700, 3000}).Draw(rt, "segment bytes")
			for range p.ticks {
				courses = append(courses, draw(rt))
			}
		}
		var problems []string
		synctest.Test(t, func(t *testing.T) {
			problems = run(t, p, courses)
		})
		if len(problems) > 0 {
			slices.Sort(problems)
			rt.Fatalf("%q", problems)
		}
	})
}
