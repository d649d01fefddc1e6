// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestClockReading proves what is a step: a difference of the two clocks, from
// 2 s on, and only since the last look.
func TestClockReading(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name            string
		wall, monotonic time.Duration
		want            time.Duration
	}{
		{"time passes", time.Hour, time.Hour, 0},
		{"slewed", 16200 * time.Millisecond, 15 * time.Second, 0},
		{"slewed back", 13800 * time.Millisecond, 15 * time.Second, 0},
		{"forwards", 17 * time.Second, 15 * time.Second, 2 * time.Second},
		{"backwards", -2 * time.Hour, 15 * time.Second, -2*time.Hour - 15*time.Second},
		{"asleep", 8 * time.Hour, time.Second, 8*time.Hour - time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			wall, monotonic := start, start
			c := newClock(func() (time.Time, time.Time) { return wall, monotonic })
			wall, monotonic = wall.Add(test.wall), monotonic.Add(test.monotonic)
			if got := c.step(); got != test.want {
				t.Errorf("step by %v, want %v", got, test.want)
			}
			if got := c.step(); got != 0 {
				t.Errorf("the same step again: %v", got)
			}
		})
	}
}

// TestSystemClock proves that the two readings are of one moment, and each of its
// kind.
func TestSystemClock(t *testing.T) {
	wall, monotonic := systemClock()
	if !wall.Equal(monotonic) {
		t.Errorf("%v and %v are not the same moment", wall, monotonic)
	}
	if strings.Contains(wall.String(), "m=") || !strings.Contains(monotonic.String(), "m=") {
		t.Errorf("the monotonic readings are mixed up: %v, %v", wall, monotonic)
	}
}

// clockStep sets the time of day to be off by so much, at a time since the start.
type clockStep struct{ at, off time.Duration }

// clockTests are ways in which a clock is set. Each test lasts half an hour.
var clockTests = []struct {
	name              string
	steps             []clockStep
	forward, backward float64
	refused           bool // by a receiver that looks at its own clock
}{
	{"right", nil, 0, 0, false},
	{"slewed", []clockStep{{90 * time.Second, time.Second}, {3 * time.Minute, 0}}, 0, 0, false},
	{"back for good", []clockStep{{5 * time.Minute, -10 * time.Minute}}, 0, 1, false},
	{"back in small steps", []clockStep{{5 * time.Minute, -3 * time.Second}, {6 * time.Minute, -6 * time.Second}}, 0, 2, false},
	{"forwards for good", []clockStep{{5 * time.Minute, 9 * time.Minute}}, 1, 0, false},
	{"forwards and back", []clockStep{{5 * time.Minute, 9 * time.Minute}, {10 * time.Minute, 0}}, 1, 1, false},
	{"two hours ahead for a while", []clockStep{{5 * time.Minute, 2 * time.Hour}, {9 * time.Minute, 0}}, 1, 1, true},
}

// TestClockSteps sets the clock of a running bridge, and holds what arrives against
// what was counted. Two receivers stand for all: one takes any time and must have
// every byte, whatever the clock did, with all samples in order; the other refuses
// the future, as Prometheus does, and must refuse nothing that was sent when the
// clock was right.
func TestClockSteps(t *testing.T) {
	for _, test := range clockTests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, lenient, strict := newClockLab(t)
				l.start()
				early := 0
				for now := time.Duration(0); now < 30*time.Minute; now += time.Second {
					for _, s := range test.steps {
						if s.at+7*time.Second == now { // between two ticks
							early = strict.Early()
							l.setClock(s.off)
						}
					}
					l.traffic(now)
					time.Sleep(time.Second)
				}
				if n := len(test.steps); n > 0 && test.steps[n-1].off <= 0 && strict.Early() != early {
					t.Errorf("%d requests were refused for the future after the clock was right again", strict.Early()-early)
				}
				if got := strict.Early() > 0; got != test.refused {
					t.Errorf("%d requests were refused for the future, want any: %v", strict.Early(), test.refused)
				}
				if got := l.metric("skybridge_clock_steps_total", "forward"); got != test.forward {
					t.Errorf("%v steps forwards, want %v", got, test.forward)
				}
				if got := l.metric("skybridge_clock_steps_total", "backward"); got != test.backward {
					t.Errorf("%v steps backwards, want %v", got, test.backward)
				}
				l.halt()
				l.judge(lenient)
				if !test.refused {
					l.judge(strict)
				}
			})
		})
	}
}

// TestRandomClock sets the clock at random.
func TestRandomClock(t *testing.T) {
	seed := newSeed(t)
	for run := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, run))
			l, lenient, _ := newClockLab(t)
			l.start()
			for now := time.Duration(0); now < 30*time.Minute; now += time.Second {
				if random.IntN(90) == 0 {
					l.setClock(time.Duration(random.NormFloat64() * float64(5*time.Minute)))
				}
				l.traffic(now)
				time.Sleep(time.Second)
			}
			l.halt()
			l.judge(lenient)
			if t.Failed() {
				t.Logf("run %d", run)
			}
		})
	}
}

// TestWaitingForTheClock looks at a bridge whose clock was set back by an hour: it
// takes no samples, says so, continues counting, and pushes all of it when the hour
// is over.
func TestWaitingForTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lenient, _ := newClockLab(t)
		l.start()
		l.report("a", 1, 100)
		time.Sleep(67 * time.Second) // between two ticks
		l.setClock(-time.Hour)
		l.report("a", 1, 700)
		l.report("b", 2, 50)
		time.Sleep(time.Minute)
		stored := lenient.Stored()
		if wait := l.metric("skybridge_clock_wait_seconds"); wait != 3533 {
			t.Errorf("skybridge_clock_wait_seconds is %v, want what is left of an hour", wait)
		}
		if word := l.readyWord(); !strings.Contains(word, "the clock was set back: no samples for 58m53s") {
			t.Errorf("ready says %q", word)
		}
		if s := l.state(); s.ClockWaitSeconds != 3533 {
			t.Errorf("the status page says %v", s.ClockWaitSeconds)
		}
		time.Sleep(25 * time.Minute)
		l.report("a", 1, 900)
		time.Sleep(25 * time.Minute)
		l.report("a", 1, 1000)
		if n := l.metric("skybridge_flows"); n != 1 {
			t.Errorf("%v flows, want one: the other is over for longer than flow_retention", n)
		}
		if n := lenient.Stored(); n != stored {
			t.Errorf("%d samples while the clock was behind", n-stored)
		}
		time.Sleep(15 * time.Minute)
		if n := lenient.Stored(); n == stored {
			t.Error("no samples when the clock had passed the last ones")
		}
		if word, wait := l.readyWord(), l.metric("skybridge_clock_wait_seconds"); word != "ready" || wait != 0 {
			t.Errorf("ready says %q and the metric %v when all works", word, wait)
		}
		for _, want := range []string{"the clock was set", "no samples until it has passed them", "the clock has passed the last samples"} {
			if n := strings.Count(l.logs.String(), want); n != 1 {
				t.Errorf("%d log lines say %q, want 1:\n%s", n, want, l.logs)
			}
		}
		l.halt()
		l.judge(lenient)
	})
}

// TestReloadWhileWaiting changes labels while the clock is behind: the ticks out of
// turn that this takes come in order too, and no earlier than the last one.
func TestReloadWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lenient, _ := newClockLab(t)
		l.start()
		l.report("a", 1, 100)
		time.Sleep(67 * time.Second) // between two ticks
		l.setClock(-10 * time.Minute)
		l.report("a", 1, 300)
		time.Sleep(time.Minute)
		l.configure(clockLabConfig + "global: {external_labels: {site: b}}\n")
		if err := l.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.report("a", 1, 350)
		time.Sleep(15 * time.Minute)
		l.halt()
		l.judge(lenient)
	})
}

// TestRestartAfterAStepBack stops a bridge whose clock is ahead, sets the clock
// right, and starts the next one, with and without a receiver that had been down:
// its samples wait until they are later than those in the log.
func TestRestartAfterAStepBack(t *testing.T) {
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("down %v", down), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, lenient, strict := newClockLab(t)
				l.options.StoragePath = t.TempDir()
				if down { // the next process starts when the clock is right
					l.cutOff()
				}
				l.setClock(time.Hour)
				l.start()
				l.report("a", 1, 100)
				time.Sleep(time.Minute)
				l.halt()
				_, last := l.log.LastTick()
				l.reconnect(lenient, strict)
				early := strict.Early()

				l.setClock(0)
				l.start()
				if l.wait() < 58*time.Minute {
					t.Errorf("the bridge waits %v, want about an hour", l.wait())
				}
				l.report("a", 2, 40) // another flow: this one counts from its start
				time.Sleep(50 * time.Minute)
				if got := l.aggregator.LastTick(); got != last {
					t.Errorf("a tick at %d, the log's last is at %d", got, last)
				}
				time.Sleep(15 * time.Minute)
				l.halt()
				l.judge(lenient)
				if down {
					l.judge(strict)
				}
				if n := strict.Early() - early; n != 0 {
					t.Errorf("%d requests were refused for the future after the clock was right again", n)
				}
			})
		})
	}
}
