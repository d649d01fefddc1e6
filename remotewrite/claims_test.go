// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// sharing plays series that relabelling gives one name, told apart in the log by a
// label port of one letter.
type sharing struct {
	r     *rig
	d     *disktest.Disk
	up    atomic.Bool
	rec   *receiver.Receiver
	cfg   EndpointConfig
	at    int64
	start map[string]int64 // of what lives
	final map[string]float64
}

// portless is the name that all series have.
var portless = receiver.Key("test_bytes", map[string]string{"ip": "x"})

func newSharing(t *testing.T, log queue.Config) *sharing {
	w := &sharing{d: disktest.New(1), start: make(map[string]int64), final: make(map[string]float64)}
	log.FS, log.Dir = w.d, "log"
	w.r = newRig(t, log)
	w.up.Store(true)
	cfg := upWhen(&w.up)
	cfg.GiveUps = true
	w.rec = w.r.receiver("a", cfg)
	w.cfg = EndpointConfig{Name: "a", URL: "http://a/", WriteRelabelConfigs: []*relabel.Config{act(relabel.LabelDrop, "", "port")}}
	w.r.apply(w.cfg)
	return w
}

// tick appends a tick in the order of script: 1+5 is a zero and the value 5 of the
// series of port 1, 1=7 a value, 1- the end. Beside each counter there is a gauge.
func (w *sharing) tick(script string) {
	w.r.t.Helper()
	w.at += pushInterval.Milliseconds()
	w.append(script, w.at)
}

func (w *sharing) append(script string, at int64) {
	w.r.t.Helper()
	time.Sleep(time.Until(time.UnixMilli(at)))
	tick := w.r.log.Begin(at)
	for part := range strings.FieldsSeq(script) {
		port := part[:1]
		tick.Labels([]wire.Label{{Name: "ip", Value: "x"}, {Name: "port", Value: port}})
		value, _ := strconv.ParseFloat(part[2:], 64)
		switch part[1] {
		case '+':
			w.start[port] = at - pushInterval.Milliseconds()
			tick.Zero(bytesMetric, w.start[port])
			fallthrough
		case '=':
			w.final[port] = value
			tick.Value(bytesMetric, w.start[port], value)
			tick.Value(rttMetric, 0, value)
		case '-':
			tick.End(bytesMetric, w.start[port], w.final[port])
			tick.Stale(rttMetric)
		}
	}
	w.r.append(tick)
	synctest.Wait()
}

// restart ends the process and begins another; how is stop, kill or power.
func (w *sharing) restart(how string) {
	w.r.t.Helper()
	w.r.halt(map[string]func(){"stop": nil, "kill": w.d.Kill, "power": w.d.LosePower}[how])
	w.reopen()
}

func (w *sharing) reopen() {
	w.r.t.Helper()
	if err := w.r.open(); err != nil {
		w.r.t.Fatal(err)
	}
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
		script []string // restart, down and up stand for themselves
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
			t.Run(c.name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newSharing(t, queue.Config{})
					for _, step := range c.script {
						switch {
						case step == "up" || step == "down":
							w.up.Store(step == "up")
						case step != "restart":
							w.tick(step)
						case how != "":
							w.restart(how)
						}
					}
					w.r.flush()
					samples := w.rec.Series()[portless]
					if got := receiver.Increase(samples); got != c.want {
						t.Errorf("increase %v, want %v: %v", got, c.want, samples)
					}
					for _, problem := range sharedLives(samples) {
						t.Error(problem)
					}
					w.r.wantMetric(0, prefix+"samples_failed_total")
				})
			})
		}
	}
}

// sharedLives says where samples are not lives one after another.
func sharedLives(samples []receiver.Sample) (problems []string) {
	checkLives(portless, slices.CompactFunc(samples, func(a, b receiver.Sample) bool {
		return a.Bits == 0 && b.Bits == 0 // moved by the process after the one that died
	}), func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }, false)
	return problems
}

// TestHoldersInPrometheus judges the same in a Prometheus: two series, 20,000 bytes of
// the one that holds the name and a history of 5,000,000 of the other.
func TestHoldersInPrometheus(t *testing.T) {
	server, err := prom.Start(prom.Options{KeepLive: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	r := newRig(t, queue.Config{Dir: t.TempDir()})
	r.dials[server.Addr()] = (&net.Dialer{}).DialContext
	cfg := EndpointConfig{URL: server.WriteURL(), WriteRelabelConfigs: []*relabel.Config{act(relabel.LabelDrop, "", "port")}}
	r.apply(cfg)
	begin := time.Now().Add(-10 * time.Minute).UnixMilli()
	tick := func(n int64, values ...float64) { // of port 2, if there is one, and port 1
		at := func(n int64) int64 { return begin + n*pushInterval.Milliseconds() }
		tick := r.log.Begin(at(n))
		for i, v := range values {
			born := int64(len(values) - 1 - i)
			tick.Labels([]wire.Label{{Name: "ip", Value: "x"}, {Name: "port", Value: fmt.Sprint(born + 1)}})
			if n == born+1 {
				tick.Zero(bytesMetric, at(born))
			}
			tick.Value(bytesMetric, at(born), v)
		}
		r.append(tick)
		r.flush()
	}
	tick(1, 10_000)
	tick(2, 4_000_000, 15_000)
	for n := int64(3); n < 6; n++ {
		r.halt(nil)
		if err := r.open(); err != nil {
			t.Fatal(err)
		}
		r.apply(cfg)
		tick(n, 5_010_000, 20_000)
	}
	got, err := server.Client().AnchoredIncrease(t.Context(), "test_bytes", time.UnixMilli(begin), time.UnixMilli(begin+6*pushInterval.Milliseconds()))
	if err != nil || len(got) != 1 || got[0].Samples[0].Value() != 20_000 {
		t.Errorf("increase %v, %v, want 20000", got, err)
	}
	r.wantMetric(0, prefix+"samples_failed_total")
}

// TestHoldersWithoutState proves that where every counter begins again without an end,
// as after the loss of the state, a name is the first one's that begins again.
func TestHoldersWithoutState(t *testing.T) {
	for _, ticks := range [][]string{
		{"", "2+5 1+300", "2=7 1=400"},
		{"", "", "", "2+5 1+300", "2=7 1=400"},
		{"", "2+5", "2=7 1+300", "2=7 1=400"}, // the other has not come back by then
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newSharing(t, queue.Config{})
			w.tick("1+10000")
			w.tick("2+4000000 1=20000")
			w.restart("kill")
			for _, script := range ticks {
				w.tick(script)
			}
			w.r.flush()
			if got := receiver.Increase(w.rec.Series()[portless]); got != 20_007 {
				t.Errorf("increase %v, want 20007: %v", got, w.rec.Series())
			}
		})
	}
}

// TestHoldersUnknown proves that where it is not known who held a name, the series that
// began first does: without the cursors, with those of an older version, which had
// none, and for an endpoint that was away.
func TestHoldersUnknown(t *testing.T) {
	for name, lose := range map[string]func(w *sharing){
		"file is missing": func(w *sharing) {
			w.r.halt(nil)
			if err := w.d.Remove("log/" + "cursors"); err != nil {
				w.r.t.Error(err)
			}
			w.reopen()
			w.r.wantMetric(1, "skybridge_log_corruptions_total", "what", "cursors")
		},
		"file is damaged": func(w *sharing) {
			w.r.halt(nil)
			w.d.SetBytes("log/"+"cursors", []byte("damaged"))
			w.reopen()
			w.r.wantMetric(1, "skybridge_log_corruptions_total", "what", "cursors")
		},
		"removed": func(w *sharing) {
			w.r.apply()
			w.tick("2=4500000 1=16000")
			w.r.apply(w.cfg)
		},
		"removed, and the process restarted": func(w *sharing) {
			w.r.apply()
			w.restart("stop")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newSharing(t, queue.Config{})
				w.r.judged = true // it may send what the receiver has
				w.tick("1+10000")
				w.tick("2+4000000 1=15000")
				lose(w)
				w.tick("2=5010000 1=20000")
				w.r.flush()
				if got := receiver.Increase(w.rec.Series()[portless]); got != 20_000 {
					t.Errorf("increase %v, want 20000: %v", got, w.rec.Series())
				}
			})
		})
	}
}

// TestHoldersOfLostTicks proves that a series whose beginning is in ticks that the next
// process cannot read does not get the name of one that began before, and that one which
// was refused, and ended in them, may get it when it begins again.
func TestHoldersOfLostTicks(t *testing.T) {
	for _, c := range []struct {
		before, lost, after []string
		want                float64
	}{
		{[]string{"1+10000"}, []string{"2+4000000 1=15000", "2=5000000 1=17000"}, []string{"2=5010000 1=20000"}, 20_000},
		{[]string{"1+10000", "2+4000000 1=20000", "2=5000000 1=20000"}, []string{"2- 1-"}, []string{"2+5", "2=7"}, 20_007},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newSharing(t, queue.Config{SegmentBytes: 1})
			for _, script := range c.before {
				w.tick(script)
			}
			w.up.Store(false)
			for _, script := range c.lost {
				w.tick(script)
			}
			w.r.halt(nil)
			lost := slices.DeleteFunc(w.d.Files(), func(name string) bool { return !strings.HasSuffix(name, ".seg") })
			for _, name := range lost {
				if err := w.d.Remove(name); err != nil {
					t.Error(err)
				}
			}
			w.reopen()
			w.up.Store(true)
			for _, script := range c.after {
				w.tick(script)
			}
			w.r.flush()
			if got := receiver.Increase(w.rec.Series()[portless]); len(lost) == 0 || got != c.want {
				t.Errorf("%d segments lost, increase %v, want %v: %v", len(lost), got, c.want, w.rec.Series())
			}
		})
	}
}

// TestHoldersOfCondensed proves that what began and ended in ticks that are condensed does
// not get the name of a series that lives on, which is not in them, also where the
// process that condenses them has not seen any of it, and where only the ends are left.
func TestHoldersOfCondensed(t *testing.T) {
	for _, maxBytes := range []int64{0, 8000} { // where only the ends of some ticks are left
		for _, how := range []string{"", "stop", "kill"} {
			t.Run(fmt.Sprint(maxBytes, how), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
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
			})
		}
	}
}

// TestHoldersOfOtherNames proves that what was refused under the names of before is
// not so under those of a reload, across restarts.
func TestHoldersOfOtherNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSharing(t, queue.Config{})
		gauge := func(value float64, ports ...string) {
			w.at += pushInterval.Milliseconds()
			tick := w.r.log.Begin(w.at)
			for _, port := range ports {
				tick.Labels([]wire.Label{{Name: "ip", Value: "x"}, {Name: "port", Value: port}})
				tick.Value(rttMetric, 0, value)
			}
			w.r.append(tick)
			synctest.Wait()
		}
		gauge(1, "1")
		gauge(2, "2", "1") // 2 is refused
		w.restart("stop")
		gauge(3, "2", "1")
		w.r.wantMetric(1, prefix+"samples_dropped_total", "reason", reasonCollision)
		w.cfg.WriteRelabelConfigs = []*relabel.Config{replace("ip", ".*", "site", "b")}
		w.up.Store(false)
		w.r.apply(w.cfg)
		w.restart("stop")
		w.up.Store(true)
		gauge(4, "2")
		w.r.flush()
		want := map[string][]receiver.Sample{
			receiver.Key("test_rtt", map[string]string{"ip": "x"}):                           {sample(15000, 1), sample(30000, 2), sample(45000, 3)},
			receiver.Key("test_rtt", map[string]string{"ip": "x", "port": "2", "site": "b"}): {sample(60000, 4)},
		}
		if diff := cmp.Diff(want, w.rec.Series()); diff != "" {
			t.Error(diff)
		}
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

// TestHoldersOfTopology proves that a name stays with its holder where both series are
// missing in the first ticks after a restart, as those of the topology are until it answers.
func TestHoldersOfTopology(t *testing.T) {
	for _, how := range []string{"stop", "kill", "power"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newSharing(t, queue.Config{})
				for _, script := range []string{"1=10000", "2=4000000 1=15000", "restart", "", "", "2=5010000 1=20000", "2=5010000 1=20000"} {
					if script == "restart" {
						w.restart(how)
						continue
					}
					w.tick(script)
				}
				w.r.flush()
				samples := w.rec.Series()[portless]
				if last := samples[len(samples)-1]; last.Value() != 20_000 {
					t.Errorf("last value %v, want 20000: %v", last.Value(), samples)
				}
			})
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
			if _, refused, _ := w.r.sender.live.all()[0].cursor.Past(); refused != nil {
				return len(refused.List)
			}
			return 0
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
	for _, power := range []bool{false, true} {
		for n, lived := 0, false; !lived; n++ {
			synctest.Test(t, func(t *testing.T) {
				var got []receiver.Sample
				if got, lived = runHolders(t, script, n, power); receiver.Increase(got) != want {
					t.Errorf("power %v, dead at %d: increase %v, want %v: %v", power, n, receiver.Increase(got), want, got)
				}
				for _, problem := range sharedLives(got) {
					t.Errorf("power %v, dead at %d: %s", power, n, problem)
				}
			})
			if lived && n < 20 {
				t.Errorf("only %d operations: is anything written?", n)
			}
		}
	}
}

// runHolders plays a script in a process that dies at the n-th operation on the disk,
// and continues in the next.
func runHolders(t *testing.T, script []string, n int, power bool) (got []receiver.Sample, lived bool) {
	w := newSharing(t, queue.Config{SegmentBytes: 300})
	w.rec.Close()
	w.rec = w.r.receiver("a", receiver.Config{Fail: func(int, *http.Request) receiver.Fault {
		switch {
		case w.d.Dead():
			return receiver.Fault{ResetAfter: 1} // the process cannot send any more
		case w.up.Load():
			return receiver.Fault{}
		}
		return receiver.Fault{Status: 503}
	}})
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
		w.r.halt(func() {
			if power {
				w.d.LosePower()
			} else {
				w.d.Kill()
			}
		})
		w.reopen()
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
