// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestChaos runs the binary as a child process between two analyzers and two
// receivers, and breaks all of them in random order. In the end every flow is
// reported once more; then each receiver has, series by series, what was
// reported, to the byte; nothing was refused, and no duty of a sender violated.
//
// Everything random comes from a seed, which is in the name of the subtest. What
// the machine's scheduler does to it is not: a seed that failed may have to be
// run more than once. By the environment:
//
//	CHAOS_SEED=17        this seed alone
//	CHAOS_LENGTH=45s     how long a run's events last, 8s by default; less than the
//	                     2m after which the bridge may forget flows that have ended
//	CHAOS_DURATION=10m   longer runs, 45s by default, and new ones until then (make chaos)
func TestChaos(t *testing.T) {
	many(t, func(t *testing.T, seed uint64, length time.Duration) {
		w := newWorld(t, seed, connections, length)
		w.asProcess()
		for _, problem := range w.chaos(seed, forProcess(), eventsFor(length), length) {
			t.Error(problem)
		}
	})
}

// TestPowerLoss is TestChaos for a bridge on a disk that forgets what was not
// synced whenever its machine loses power.
func TestPowerLoss(t *testing.T) {
	many(t, func(t *testing.T, seed uint64, length time.Duration) {
		w := newWorld(t, seed, connections, length)
		w.asMachine(seed)
		for _, problem := range w.chaos(seed, forPower(), eventsFor(length), length) {
			t.Error(problem)
		}
	})
}

// connections is how many there are at each of three capture points.
const connections = 100

const (
	shortRun = 8 * time.Second
	longRun  = 45 * time.Second
)

// eventsFor is how many events happen in a run.
func eventsFor(length time.Duration) int { return 8 + int(length/(700*time.Millisecond)) }

// many runs a test with some seeds, as the environment says.
func many(t *testing.T, test func(t *testing.T, seed uint64, length time.Duration)) {
	t.Parallel()
	setting := func(name string, fallback time.Duration) time.Duration {
		text := os.Getenv(name)
		if text == "" {
			return fallback
		}
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			t.Fatalf("%s=%s is no duration: write 45s or 10m", name, text)
		}
		return d
	}
	duration := setting("CHAOS_DURATION", 0)
	length := shortRun
	if duration > 0 {
		length = longRun
	}
	length = setting("CHAOS_LENGTH", length)
	once := func(t *testing.T, seed uint64) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			defer func() {
				if t.Failed() {
					name, _, _ := strings.Cut(t.Name(), "/")
					t.Logf("to see it again: CHAOS_SEED=%d CHAOS_LENGTH=%s go test -count=1 -run '^%s$' ./internal/chaos", seed, length, name)
				}
			}()
			test(t, seed, length)
		})
	}
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("CHAOS_SEED=%s is no number", text)
		}
		once(t, seed)
		return
	}
	if duration == 0 {
		for _, seed := range []uint64{1, 2, rand.Uint64N(1_000_000)} {
			once(t, seed)
		}
		return
	}
	for end := time.Now().Add(duration); time.Now().Before(end) && !t.Failed(); {
		t.Run("round", func(t *testing.T) {
			for range 2 {
				once(t, rand.Uint64N(1_000_000_000))
			}
		})
	}
}
