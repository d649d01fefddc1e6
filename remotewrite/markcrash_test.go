// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// markWorld plays changes of names on a disk that fails, and knows under which
// names each sample was given.
type markWorld struct {
	r        *rig
	d        *disktest.Disk
	up       atomic.Bool
	rec      *receiver.Receiver
	force    called
	at       int64
	given    map[string]map[int64]called // by series and time
	certain  map[int64]bool              // ticks that no crash can take any more
	waiting  []int64                     // those that are not, of this process
	might    []called                    // names that a next process may find in force
	problems []string
}

func (w *markWorld) bad(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// tick appends a sample under the names in force.
func (w *markWorld) tick() {
	w.at += 1000
	key := strings.Replace(w.force.key(), "test_bytes", "test_rtt", 1)
	if w.given[key] == nil {
		w.given[key] = make(map[int64]called)
	}
	w.given[key][w.at] = w.force
	tick := w.r.log.Begin(w.at)
	tick.Labels([]wire.Label{{Name: "a", Value: "1"}})
	tick.Value(rttMetric, 0, float64(w.at))
	w.r.append(tick)
	w.waiting, w.might = append(w.waiting, w.at), append(w.might, w.force)
	if !w.d.Dead() && w.r.log.Trouble() == nil {
		for _, at := range w.waiting {
			w.certain[at] = true
		}
		w.waiting, w.might = nil, []called{w.force}
	}
}

// rename puts other names into force.
func (w *markWorld) rename(c called) {
	w.r.apply(c.endpoint("a"))
	w.r.log.SetExternalLabels(c.external())
	w.force = c
}

// stop ends the process in good order, if it does not die of that.
func (w *markWorld) stop() {
	if err := w.r.log.Close(); err != nil && !w.d.Dead() {
		w.bad("%v", err)
	}
}

// restart begins a process that is configured as c, after another.
func (w *markWorld) restart(c called, end func()) {
	w.r.halt(end)
	w.rec.Restarted()
	w.waiting = nil
	w.r.cfg.ExternalLabels = c.external()
	if w.d.Dead() {
		return
	}
	if err := w.r.open(); err != nil {
		if !w.d.Dead() {
			w.bad("the log does not open: %v", err)
		}
		return
	}
	renames, err := w.r.sender.Resume(w.r.prepare(c.endpoint("a")))
	if w.d.Dead() {
		return
	}
	if err != nil {
		w.bad("%v", err)
	}
	for _, what := range []string{"marks", "tick", "block", "segment"} {
		if n := w.r.metric("skybridge_log_corruptions_total", "what", what); n > 0 {
			w.bad("%v corruptions of %s", n, what)
		}
	}
	if len(w.certain) == 0 {
		w.might = append(w.might, c) // nothing is remembered
	}
	text, _ := w.r.log.NamesAt(queue.HashOf([]byte("a")), math.MaxUint64)
	i := slices.IndexFunc(w.might, func(m called) bool {
		e := m.endpoint("a")
		return e.naming().text() == text && slices.Equal(m.external(), w.r.log.ExternalLabels())
	})
	if i < 0 {
		w.bad("%v and %s are in force, not any of %v", w.r.log.ExternalLabels(), text, w.might)
		return
	}
	if w.force = w.might[i]; renames != (w.force != c) {
		w.bad("renames %v from %v to %v", renames, w.force, c)
	}
}

// play goes through changes of names until the process dies. With sick, the disk
// takes no marks for two ticks.
func (w *markWorld) play(sick *atomic.Bool, sickens bool) {
	one, two, three := called{"eu", "one"}, called{"us", "two"}, called{"us", "three"}
	for i, step := range []func(){
		w.tick, w.tick,
		func() { sick.Store(sickens); w.rename(two) },
		w.tick, w.tick,
		func() { sick.Store(false); w.rename(three) },
		w.tick,
		func() { w.restart(one, w.stop) },
		w.tick,
		func() { w.rename(one) },
		w.tick, w.tick,
	} {
		step()
		synctest.Wait() // so that the endpoint has saved its place, in its turn
		if w.d.Dead() || len(w.problems) > 0 {
			return
		}
		if trouble := w.r.log.Trouble() != nil; trouble != (sickens && (i == 3 || i == 4 || i == 5)) {
			w.bad("step %d: trouble is %v", i, trouble)
		}
	}
}

// runMarks plays, dies at the n-th operation on the disk, and looks at what a next
// process delivers. It says whether the process lived.
func runMarks(t *testing.T, n int, power, sickens bool) (lived bool, problems []string) {
	synctest.Test(t, func(t *testing.T) {
		first := called{"eu", "one"}
		d := disktest.New(uint64(n))
		w := &markWorld{d: d, force: first, given: make(map[string]map[int64]called), certain: make(map[int64]bool)}
		w.r = newRig(t, queue.Config{FS: d, Dir: "log", SegmentBytes: 300, ExternalLabels: first.external()})
		w.rec = w.r.receiver("a", receiver.Config{Fail: whileAlive(d, &w.up)})
		w.r.apply(first.endpoint("a"))
		var sick atomic.Bool
		d.Fail(func(i int, _ disktest.Op, name string) error {
			switch {
			case i >= n:
				return disktest.ErrDead
			case sick.Load() && strings.Contains(name, "marks"):
				return syscall.EIO
			}
			return nil
		})
		w.play(&sick, sickens)
		lived = !d.Dead()
		w.restart(called{"de", "two"}, func() {
			if power {
				d.LosePower()
			} else {
				d.Kill()
			}
		})
		w.tick()
		w.rename(called{"de", "two"})
		w.tick()
		w.up.Store(true)
		w.r.flush()
		w.judge()
		problems = w.problems
	})
	return lived, problems
}

// judge compares what arrived with what was given.
func (w *markWorld) judge() {
	arrived := make(map[int64]bool)
	for key, samples := range w.rec.Series() {
		for _, s := range samples {
			arrived[s.At] = true
			if _, ok := w.given[key][s.At]; !ok {
				w.bad("%s has a sample at %d that was given under other names", key, s.At)
			}
		}
	}
	for at := range w.certain {
		if !arrived[at] {
			w.bad("nothing has arrived of %d", at)
		}
	}
}

// TestMarkCrashes proves that wherever between two operations on the disk a process
// dies, by itself or with the power, while names change, also with a disk that
// fails to take the marks for a while, every sample arrives under the names that
// were in force when it was given, and the next process knows those of the last.
func TestMarkCrashes(t *testing.T) {
	for _, sickens := range []bool{false, true} {
		everywhere(t, func(n int, power bool) bool {
			lived, problems := runMarks(t, n, power, sickens)
			if len(problems) > 0 {
				t.Errorf("power %v, sick %v, dead at %d: %q", power, sickens, n, problems)
			}
			return lived
		})
	}
}
