// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// sharing plays series that relabelling gives one name, told apart in the log by a
// label port of one letter.
type sharing struct {
	r   *rig
	d   *disktest.Disk
	up  atomic.Bool
	rec *receiver.Receiver
	cfg EndpointConfig
	at  int64
	*script
}

// portless is the name that all series have.
var portless = receiver.Key("test_bytes", map[string]string{"ip": "x"})

func newSharing(t *testing.T, log queue.Config) *sharing {
	w := &sharing{d: disktest.New(1)}
	log.FS, log.Dir = w.d, "log"
	w.r = newRig(t, log)
	w.script = newScript(w.r)
	w.gauge, w.label, w.common = rttMetric, "port", []wire.Label{{Name: "ip", Value: "x"}}
	w.up.Store(true)
	w.rec = w.r.receiver("a", receiver.Config{GiveUps: true, Fail: unless(&w.up, receiver.Fault{Status: 503})})
	w.cfg = EndpointConfig{Name: "a", URL: "http://a/", WriteRelabelConfigs: []*relabel.Config{act(relabel.LabelDrop, "", "port")}}
	w.r.apply(w.cfg)
	return w
}

// tick appends a tick a push interval after the last.
func (w *sharing) tick(words string) {
	w.r.t.Helper()
	w.at += pushInterval.Milliseconds()
	w.append(words, w.at)
}

func (w *sharing) append(words string, at int64) {
	w.r.t.Helper()
	time.Sleep(time.Until(time.UnixMilli(at)))
	w.script.tick(at, words)
}

// restart ends the process and begins another; how is stop, kill or power.
func (w *sharing) restart(how string) {
	w.r.t.Helper()
	w.r.restart(how)
	w.resume()
}

// resume has the endpoint continue in the process that was started.
func (w *sharing) resume() {
	w.r.t.Helper()
	w.rec.Restarted()
	w.r.apply(w.cfg)
	synctest.Wait()
}

// TestHoldersSurvive proves that a name which relabelling gives to several series
// stays with the one that had it, whatever stands between: each script is also
// played without a restart, and has the same sum.
func TestHoldersSurvive(t *testing.T) {
	for _, c := range []struct {
		name   string
		script []string // see play
		want   float64
	}{
		{"one is refused before", []string{"1+10000", "2+4000000 1=15000", "restart", "2=5010000 1=20000"}, 20_000},
		{"one is refused before, twice", []string{"1+10000", "2+4000000 1=15000", "restart", "2=5000000 1=17000", "restart", "2=5010000 1=20000"}, 20_000},
		{"the first collision is after it", []string{"1+10000", "restart", "2+5000000 1=20000", "2=5010000 1=20000"}, 20_000},
		{"the holder ended before", []string{"1+10000", "2+4000000 1=20000", "2=5000000 1-", "restart", "2=5010000", "2-"}, 20_000},
		{"another took the name before", []string{"1+10000", "2+4000000 1=20000", "2=5000000 1-", "2=5000000 3+5", "restart", "2=5010000 3=7"}, 20_007},
		{"the holder ends at once", []string{"1+10000", "2+4000000 1=20000", "restart", "2=5010000 1-", "2=5020000 3+7"}, 20_007},
		{"the refused one ends at once", []string{"1+10000", "2+4000000 1=15000", "restart", "2- 1=17000", "2+5000000 1=20000"}, 20_000},
		{"the refused one begins again", []string{"1+10000", "2+4000000 1=20000", "2- 1-", "restart", "2+5 1+7", "2=6 1=8"}, 20_006},
		{"of a backlog", []string{"1+10000", "down", "2+4000000 1=15000", "2=5000000 1=17000", "restart", "up", "2=5010000 1=20000"}, 20_000},
		{"a name changes hands in a backlog", []string{"1+10000", "2+4000000 1=20000", "2=5000000 1-", "down", "2=5010000 3+5", "restart", "up", "2=5010000 3=7"}, 20_007},
		{"a backlog begins with an end", []string{"1+10000", "1=20000", "down", "2+4000000 1-", "2=5000000", "restart", "up", "2=5010000 3+7"}, 20_007},
	} {
		for _, how := range []string{"", "stop", "kill", "power"} {
			bubble(t, c.name+"/"+how, func(t *testing.T) {
				w := newSharing(t, queue.Config{})
				samples := w.play(how, c.script, c.want)
				for _, problem := range sharedLives(samples) {
					t.Error(problem)
				}
				w.r.wantMetric(0, prefix+"samples_failed_total")
			})
		}
	}
}

// TestHoldersOfTheUnknown proves who has a name where not all is known of the time before
// the process, or the endpoint: the series that began first, of those that are known.
func TestHoldersOfTheUnknown(t *testing.T) {
	two := []string{"1+10000", "2+4000000 1=15000"}
	for _, c := range []struct {
		name   string
		before []string
		script []string
		want   float64
	}{
		// Without the state every counter begins again without an end: the first that does
		// has the name.
		{"state lost", []string{"1+10000", "2+4000000 1=20000"}, []string{"restart", "", "2+5 1+300", "2=7 1=400"}, 20_007},
		{"state lost, and some ticks are empty", []string{"1+10000", "2+4000000 1=20000"}, []string{"restart", "", "", "", "2+5 1+300", "2=7 1=400"}, 20_007},
		{"state lost, and the holder is late", []string{"1+10000", "2+4000000 1=20000"}, []string{"restart", "", "2+5", "2=7 1+300", "2=7 1=400"}, 20_007},
		// The cursors are missing, or damaged, as those of an older version.
		{"cursors lost", two, []string{"lose cursors", "2=5010000 1=20000"}, 20_000},
		{"cursors damaged", two, []string{"damage cursors", "2=5010000 1=20000"}, 20_000},
		{"removed", two, []string{"remove", "2=4500000 1=16000", "add", "2=5010000 1=20000"}, 20_000},
		{"removed, and the process restarted", two, []string{"remove", "restart", "2=5010000 1=20000"}, 20_000},
		// A series whose beginning is in ticks that the next process cannot read does not
		// get the name of one that began before; one that was refused, and ended in them,
		// may get it when it begins again.
		{"ticks with a beginning lost", []string{"1+10000"},
			[]string{"down", "2+4000000 1=15000", "2=5000000 1=17000", "lose segments", "up", "2=5010000 1=20000"}, 20_000},
		{"ticks with an end lost", []string{"1+10000", "2+4000000 1=20000", "2=5000000 1=20000"},
			[]string{"down", "2- 1-", "lose segments", "up", "2+5", "2=7"}, 20_007},
		// Both are missing in the first ticks, as those of the topology are until it answers.
		{"both are late", []string{"1=10000", "2=4000000 1=15000"}, []string{"restart", "", "", "2=5010000 1=20000", "2=5010000 1=20000"}, 10_000},
	} {
		for _, how := range []string{"stop", "kill", "power"} {
			bubble(t, c.name+"/"+how, func(t *testing.T) {
				w := newSharing(t, queue.Config{SegmentBytes: 1})
				w.r.judged = true // it may send what the receiver has
				w.play(how, append(c.before, c.script...), c.want)
			})
		}
	}
}

// play plays a script and proves what the name's increase is. Its steps are ticks, and
// what happens between them: the process is restarted ("" is not at all), or finds
// its files without some, the endpoint is removed and added, the receiver is down and up.
func (w *sharing) play(how string, script []string, want float64) []receiver.Sample {
	w.r.t.Helper()
	for _, step := range script {
		verb, what, _ := strings.Cut(step, " ")
		switch verb {
		case "up", "down":
			w.up.Store(verb == "up")
		case "restart":
			if how != "" {
				w.restart(how)
			}
		case "remove":
			w.r.apply()
		case "add":
			w.r.apply(w.cfg)
		case "lose", "damage":
			w.r.halt(nil)
			w.spoil(verb, map[string]string{"cursors": "log/cursors", "segments": ".seg"}[what])
			w.r.start()
			w.resume()
			if what == "cursors" {
				w.r.wantMetric(1, "skybridge_log_corruptions_total", "what", what)
			}
		default:
			w.tick(step)
		}
	}
	w.r.flush()
	samples := w.rec.Series()[portless]
	if got := receiver.Increase(samples); got != want {
		w.r.t.Errorf("increase %v, want %v: %v", got, want, samples)
	}
	return samples
}

// spoil loses or damages the files whose names end so.
func (w *sharing) spoil(how, suffix string) {
	w.r.t.Helper()
	spoiled := 0
	for _, name := range w.d.Files() {
		if !strings.HasSuffix(name, suffix) {
			continue
		}
		spoiled++
		if how == "damage" {
			w.d.SetBytes(name, []byte("damaged"))
		} else if err := w.d.Remove(name); err != nil {
			w.r.t.Error(err)
		}
	}
	if spoiled == 0 {
		w.r.t.Errorf("there is no %s", suffix)
	}
}

// sharedLives says where samples are not lives one after another.
func sharedLives(samples []receiver.Sample) (problems []string) {
	checkLives(portless, slices.CompactFunc(samples, func(a, b receiver.Sample) bool {
		return a.Bits == 0 && b.Bits == 0 // moved by the process after the one that died
	}), func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }, false)
	return problems
}

// TestHoldersOfCondensed proves that what began and ended in ticks that are condensed does
// not get the name of a series that lives on, which is not in them, also where the
// process that condenses them has not seen any of it, and where only the ends are left.
func TestHoldersOfCondensed(t *testing.T) {
	for _, maxBytes := range []int64{0, 8000} { // where only the ends of some ticks are left
		for _, how := range []string{"", "stop", "kill"} {
			bubble(t, fmt.Sprint(maxBytes, how), func(t *testing.T) {
				w := newSharing(t, queue.Config{PushInterval: pushInterval, SegmentBytes: 1, MaxBytes: maxBytes})
				compacted := false
				w.d.Fail(func(_ int, op disktest.Op, name string) error {
					compacted = compacted || op == disktest.Rename && strings.HasSuffix(name, ".seg")
					return nil
				})
				w.at = time.Now().UnixMilli()
				w.cfg.BacklogWindow = 5 * time.Minute
				w.r.apply(w.cfg)
				w.tick("4+10000")
				w.tick("4=10000 5+90000")
				w.up.Store(false)
				w.tick("4=15000 5- 2+4000000")
				w.tick("4=15000 2=5000000")
				w.tick("2- 4=15000")
				w.tick("4-")
				w.tick("1+8")
				w.tick("2+5000000 1=8")
				w.tick("2- 1=9")
				for range 40 {
					w.tick("1=9")
				}
				if how != "" {
					w.restart(how)
				}
				if compacted != (maxBytes > 0) {
					t.Errorf("only ends are left of some tick: %v", compacted)
				}
				w.up.Store(true)
				w.tick("1=10")
				w.r.flush()
				// Of port 2, the first is refused: another held the name. The second is sent
				// between a zero and an end of its own, before the one that lives on begins.
				if got := receiver.Increase(w.rec.Series()[portless]); got != 15_000+5_000_000+10 {
					t.Errorf("increase %v, want 5015010: %v", got, w.rec.Series())
				}
				if n := w.r.metric("skybridge_condensed_series_total"); n == 0 {
					t.Error("nothing was condensed")
				}
			})
		}
	}
}

// TestHoldersOfOtherNames proves that what was refused under the names of before is
// not so under those of a reload, across restarts.
func TestHoldersOfOtherNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSharing(t, queue.Config{})
		w.tick("1~1")
		w.tick("2~2 1~2") // 2 is refused
		w.restart("stop")
		w.tick("2~3 1~3")
		w.r.wantMetric(1, prefix+"samples_dropped_total", "reason", reasonCollision)
		w.cfg.WriteRelabelConfigs = []*relabel.Config{replace("ip", ".*", "site", "b")}
		w.up.Store(false)
		w.r.apply(w.cfg)
		w.restart("stop")
		w.up.Store(true)
		w.tick("2~4")
		w.r.flush()
		want := map[string][]receiver.Sample{
			receiver.Key("test_rtt", map[string]string{"ip": "x"}):                           {sample(15000, 1), sample(30000, 2), sample(45000, 3)},
			receiver.Key("test_rtt", map[string]string{"ip": "x", "port": "2", "site": "b"}): {sample(60000, 4)},
		}
		wantEqual(t, want, w.rec.Series())
	})
}

// TestZeroIsMovedOnlyForSharedNames proves that the first tick after a restart has its
// zeros where they are, unless relabelling can give a series the name of another.
func TestZeroIsMovedOnlyForSharedNames(t *testing.T) {
	for moved, rules := range map[int64][]*relabel.Config{0: {act(relabel.Drop, "ip", "y")}, 1: {act(relabel.LabelDrop, "", "port")}} {
		synctest.Test(t, func(t *testing.T) {
			w := newSharing(t, queue.Config{})
			w.cfg.WriteRelabelConfigs, w.cfg.ExternalLabels = rules, []wire.Label{{Name: "site", Value: "b"}}
			w.r.apply(w.cfg)
			w.tick("")
			w.up.Store(false)
			w.tick("1+5")
			w.tick("1=5 2+6")
			w.restart("stop")
			w.up.Store(true)
			w.r.flush()
			first := int64(1 << 62)
			for samples := range maps.Values(w.rec.Series()) {
				first = min(first, samples[0].At)
			}
			if first != 15000+moved {
				t.Errorf("the zero is at %d, want %d: %v", first, 15000+moved, w.rec.Series())
			}
		})
	}
}

// TestRememberedIsBounded proves that an endpoint remembers so many refused series and
// counts the others, also beside those of the process before, and that a file with all
// of them can be read.
func TestRememberedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSharing(t, queue.Config{})
		begun := make(map[int]int64)
		tick := func(ports int) { // the last one first
			before := w.at
			w.at += pushInterval.Milliseconds()
			tick := w.r.log.Begin(w.at)
			for i := ports - 1; i >= 0; i-- {
				if _, ok := begun[i]; !ok {
					begun[i] = before
				}
				tick.Labels([]wire.Label{{Name: "ip", Value: "x"}, {Name: "port", Value: fmt.Sprint(i)}})
				tick.Value(bytesMetric, begun[i], 1)
			}
			w.r.append(tick)
			w.r.flush()
		}
		remembered := func() int {
			return len(w.r.sender.live.all()[0].cursor.Past().Hashes) / len(queue.Hash{})
		}
		const over, counter = 10, "skybridge_refused_series_forgotten_total"
		tick(1)
		for range 3 {
			tick(1 + maxRemembered + over)
			tick(1 + maxRemembered + over)
			w.r.wantMetric(over, counter)
			w.restart("stop")
			tick(1 + maxRemembered + 2*over)
			w.r.wantMetric(2*over, counter)
			if n := remembered(); n != maxRemembered {
				t.Errorf("%d are remembered, want %d", n, maxRemembered)
			}
			if n := len(w.d.Bytes("log/" + "cursors")); n > 2*2*(maxRemembered*len(queue.Hash{})+1000) {
				t.Errorf("the file has %d bytes", n)
			}
			w.restart("stop")
			for range formerRefusals/pushInterval + 2 {
				tick(1)
			}
			w.restart("stop")
			if n := remembered(); n != 0 {
				t.Errorf("%d are remembered, want none", n)
			}
		}
	})
}

// TestHolderCrashes proves that wherever between two operations on the disk a process
// dies, by itself or with the power, while series share a name, also with a backlog,
// the sums are those without a crash, and a name never has two series at once.
func TestHolderCrashes(t *testing.T) {
	script := []string{
		"1+10000", "2+4000000 1=20000", "3+4000000 2=5000000 1-", "2=5010000 3=5000000 4+5",
		"down", "3- 2=5020000 4=6 5+4000000", "2- 5=5000000 4-", "5=5010000 6+7", "up", "5=5020000 6=8 2+4000000", "5- 2=5000000 6-", "2=5010000 7+9",
	}
	const want = 20_000 + 6 + 8 + 9
	everywhere(t, func(n int, power bool) (lived bool) {
		synctest.Test(t, func(t *testing.T) {
			var got []receiver.Sample
			if got, lived = runHolders(t, script, n, power); receiver.Increase(got) != want {
				t.Errorf("power %v, dead at %d: increase %v, want %v: %v", power, n, receiver.Increase(got), want, got)
			}
			for _, problem := range sharedLives(got) {
				t.Errorf("power %v, dead at %d: %s", power, n, problem)
			}
		})
		return lived
	})
}

// runHolders plays a script in a process that dies at the n-th operation on the disk,
// and continues in the next.
func runHolders(t *testing.T, script []string, n int, power bool) (got []receiver.Sample, lived bool) {
	w := newSharing(t, queue.Config{SegmentBytes: 300})
	w.rec.Close()
	w.rec = w.r.receiver("a", receiver.Config{Fail: whileAlive(w.d, &w.up)})
	w.d.Fail(func(i int, _ disktest.Op, _ string) error {
		if i >= n {
			return disktest.ErrDead
		}
		return nil
	})
	lived = true
	revive := func() (died bool) {
		if !w.d.Dead() {
			return false
		}
		lived = false
		w.r.crash(power)
		w.r.start()
		w.resume()
		return true
	}
	for _, step := range script {
		if step == "up" || step == "down" {
			w.up.Store(step == "up")
			time.Sleep(time.Second)
			revive()
		} else if w.tick(step); revive() {
			if _, last := w.r.log.LastTick(); last < w.at {
				w.append(step, w.at) // the state takes back what the log does not have
			}
		}
	}
	w.d.Fail(nil)
	w.r.flush()
	return w.rec.Series()[portless], lived
}
