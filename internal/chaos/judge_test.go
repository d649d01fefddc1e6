// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// calm is the length of a run without events, which the tests of the judge make.
const calm = 2 * time.Second

// TestTheJudgeIsContent proves that without harm there is nothing to find.
func TestTheJudgeIsContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 30, calm)
	w.asProcess()
	for _, problem := range w.chaos(1, surroundings(), 0, calm) {
		t.Error(problem)
	}
}

// TestTheJudgeFindsALostSample proves that one sample that does not arrive, though
// the bridge learns that it did, is found.
func TestTheJudgeFindsALostSample(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 30, calm)
	w.messages[0] = "io.prometheus.write.v2.Request" // what loses it reads
	w.asProcess()
	lossy := &lossy{next: w.next}
	w.next = lossy
	problems := w.chaos(1, surroundings(), 0, calm)
	if !lossy.lost.Load() {
		t.Fatal("nothing was lost")
	}
	expect(t, problems, "the Prometheus, by its query API, differs")
	for _, problem := range problems {
		if strings.Contains(problem, "receiver") {
			t.Errorf("the other receiver lost nothing: %s", problem)
		}
	}
}

// TestTheJudgeFindsADouble proves that a flow which counts twice is found.
func TestTheJudgeFindsADouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 30, calm)
	w.asProcess()
	w.open()
	r := &run{world: w}
	r.play(calm)
	again := w.scenario.last[len(w.scenario.last)-1]
	for i := len(w.scenario.last) - 1; again.Transport == nil; i-- { // those do not count
		again = w.scenario.last[i]
	}
	again.UUID += "0"
	w.until(func() bool { return w.heard(func() { w.analyzers[0].SendFlows([]analyzer.Flow{again}) }) })
	w.close()
	problems := w.verdict()
	expect(t, problems, "the Prometheus, by its query API, differs")
	expect(t, problems, "the checking receiver differs")
}

// TestTheJudgeFindsLostState proves that a bridge which is killed, and starts
// without what it had on disk, is found out.
func TestTheJudgeFindsLostState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 30, calm)
	w.asProcess()
	w.open()
	w.scenario.advance(calm / 2)
	w.awaitTicks(2)
	w.bridge.kill()
	w.ended()
	w.scenario.advance(calm)
	if err := os.RemoveAll(w.storage); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.awaitUp()
	w.close()
	problems := w.verdict()
	expect(t, problems, "the Prometheus, by its query API, differs")
	expect(t, problems, "the checking receiver differs")
}

func expect(t *testing.T, problems []string, want string) {
	t.Helper()
	for _, problem := range problems {
		if strings.HasPrefix(problem, want) {
			return
		}
	}
	t.Errorf("the judge found %q, want something that begins with %q", problems, want)
}
