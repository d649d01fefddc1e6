// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// rule is a relabelling rule with Prometheus' defaults.
func rule(set func(*relabel.Config)) *relabel.Config {
	c := relabel.DefaultRelabelConfig
	set(&c)
	return &c
}

func replace(source model.LabelName, regex, target, replacement string) *relabel.Config {
	return rule(func(c *relabel.Config) {
		c.SourceLabels, c.Regex = model.LabelNames{source}, relabel.MustNewRegexp(regex)
		c.TargetLabel, c.Replacement = target, replacement
	})
}

func act(a relabel.Action, source model.LabelName, regex string) *relabel.Config {
	return rule(func(c *relabel.Config) {
		c.Action, c.Regex = a, relabel.MustNewRegexp(regex)
		if source != "" {
			c.SourceLabels = model.LabelNames{source}
		}
	})
}

// TestRelabel proves what each kind of rule and the endpoint's own labels do, on
// the wire in both versions.
func TestRelabel(t *testing.T) {
	key := func(labels map[string]string) string { return receiver.Key("test_bytes", labels) }
	with := func(more ...string) string {
		labels := map[string]string{"a": "1", "zone": "eu"}
		for i := 0; i < len(more); i += 2 {
			if labels[more[i]] = more[i+1]; more[i+1] == "" {
				delete(labels, more[i])
			}
		}
		return key(labels)
	}
	for _, c := range []struct {
		name     string
		external []wire.Label
		rules    []*relabel.Config
		want     string // "": nothing is sent
		reason   string
		says     string
	}{
		{name: "labels of its own", external: []wire.Label{{Name: "site", Value: "b"}, {Name: "Site", Value: "B"}}, want: with("site", "b", "Site", "B")},
		{name: "in place of a global one", external: []wire.Label{{Name: "zone", Value: "us"}}, want: with("zone", "us")},
		{name: "keep", rules: []*relabel.Config{act(relabel.Keep, "a", "1|2")}, want: with()},
		{name: "keep none", rules: []*relabel.Config{act(relabel.Keep, "a", "2")}, reason: reasonDroppedSeries},
		{name: "drop by the metric's name", rules: []*relabel.Config{act(relabel.Drop, "__name__", "test_.*")}, reason: reasonDroppedSeries},
		{name: "rules see labels of its own", external: []wire.Label{{Name: "site", Value: "b"}}, rules: []*relabel.Config{act(relabel.Drop, "site", "b")}, reason: reasonDroppedSeries},
		{name: "replace", rules: []*relabel.Config{replace("a", "(.)", "b", "x$1")}, want: with("b", "x1")},
		{name: "replace by nothing", rules: []*relabel.Config{replace("a", ".*", "a", "")}, want: with("a", "")},
		{name: "rename the metric", rules: []*relabel.Config{replace("__name__", "test_(.*)", "__name__", "new_$1")}, want: receiver.Key("new_bytes", map[string]string{"a": "1", "zone": "eu"})},
		{name: "labeldrop", rules: []*relabel.Config{act(relabel.LabelDrop, "", "zone")}, want: with("zone", "")},
		{name: "labelmap", rules: []*relabel.Config{rule(func(c *relabel.Config) {
			c.Action, c.Regex, c.Replacement = relabel.LabelMap, relabel.MustNewRegexp("zone"), "region"
		})}, want: with("region", "eu")},
		{name: "reserved labels stay here", rules: []*relabel.Config{replace("a", ".*", "__tmp", "x"), replace("__tmp", "(.*)", "t", "$1")}, want: with("t", "x")},
		{name: "no name left", rules: []*relabel.Config{act(relabel.LabelDrop, "", "__name__")}, reason: reasonInvalid, says: `series="test_bytes{a=\"1\",zone=\"eu\"}"`},
		{name: "no valid name", rules: []*relabel.Config{rule(func(c *relabel.Config) {
			c.Action, c.Regex, c.Replacement = relabel.LabelMap, relabel.MustNewRegexp("z(.*)"), "${2}"
		}), replace("a", ".*", "__name__", "1st")}, reason: reasonInvalid, says: "no valid series"},
	} {
		for _, message := range []Message{Message1, Message2} {
			bubble(t, c.name+" "+string(message), func(t *testing.T) {
				r := newRig(t, queue.Config{ExternalLabels: []wire.Label{{Name: "zone", Value: "eu"}}})
				rec := r.receiver("a", receiver.Config{})
				r.apply(EndpointConfig{URL: "http://a/", ProtobufMessage: message, ExternalLabels: c.external, WriteRelabelConfigs: c.rules})
				r.value(20000, 5000, true, 7)
				r.value(35000, 5000, false, 9)
				r.flush()
				got, want := slices.Collect(maps.Keys(rec.Series())), []string{c.want}
				if c.want == "" {
					want = nil
					r.wantMetric(3, prefix+"samples_dropped_total", "reason", c.reason)
				}
				wantEqual(t, want, got)
				if c.want != "" && len(rec.Series()[c.want]) != 3 {
					t.Errorf("%v", rec.Series())
				}
				if c.says != "" && r.count(c.says) != 1 {
					t.Errorf("the log does not say %s: %s", c.says, r.logged.String())
				}
				r.wantMetric(0, prefix+"samples_pending")
			})
		}
	}
}

// TestCollision proves which of two series that become one is sent: the one that
// was there first, until it ends; the other is not sent while it lives.
func TestCollision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		rec := r.receiver("a", receiver.Config{})
		r.apply(EndpointConfig{URL: "http://a/", WriteRelabelConfigs: []*relabel.Config{act(relabel.LabelDrop, "", "port")}})
		at, ticks := int64(0), newScript(r)
		ticks.label, ticks.common = "port", []wire.Label{{Name: "ip", Value: "x"}}
		tick := func(words string) {
			at += 15000
			ticks.tick(at, words)
			r.flush()
		}
		tick("1+49001")            // 1 holds the name
		tick("2+50002 1=49002")    // 2 is refused, though it stands first
		tick("2=50003 1-")         // and stays so: it would be counted from the middle
		tick("2=50004 3+51004")    // the zero would have the stale marker's time: it is moved behind it
		tick("2- 3=51005 4+52005") // 4 is refused
		tick("2+50006 3=51006 4-") // 2 is back and refused again
		tick("2=50007 3-")         //
		tick("2-")                 //
		tick("2+50009")            // 2 is back once more, and the name is free
		tick("2=50010 5+53010")    // one more, refused
		want := map[string][]receiver.Sample{receiver.Key("test_bytes", map[string]string{"ip": "x"}): {
			sample(0, 0), sample(15000, 49001), sample(30000, 49002), {At: 45000, Bits: wire.StaleMarker},
			sample(45001, 0), sample(60000, 51004), sample(75000, 51005), sample(90000, 51006), {At: 105000, Bits: wire.StaleMarker},
			sample(120000, 0), sample(135000, 50009), sample(150000, 50010),
		}}
		wantEqual(t, want, rec.Series())
		r.wantMetric(14, prefix+"samples_dropped_total", "reason", reasonCollision)
		if r.count(`series="test_bytes{ip=\"x\",port=\"2\"}" relabelled="test_bytes{ip=\"x\"}"`) == 0 {
			t.Error(r.logged.String())
		}
	})
}

// TestRename proves that a reload that changes names takes effect for the ticks
// after it: a backlog keeps the names that its series began with.
func TestRename(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		var up atomic.Bool
		rec := r.receiver("a", receiver.Config{Fail: unless(&up, receiver.Fault{Status: 503})})
		cfg := func(site string) EndpointConfig {
			return EndpointConfig{Name: "a", URL: "http://a/", ProtobufMessage: Message1, ExternalLabels: []wire.Label{{Name: "site", Value: site}}}
		}
		r.apply(cfg("one"))
		ticks := newScript(r)
		at, want := int64(20000), map[string][]receiver.Sample{}
		for _, site := range []string{"one", "two", "three"} {
			if renames := r.sender.Renames([]EndpointConfig{cfg(site)}); renames != (site != "one") {
				t.Errorf("%s: renames %v", site, renames)
			}
			r.apply(cfg(site))
			r.apply(cfg(site))
			ticks.tick(at, "1+7")
			ticks.tick(at+1000, "1-")
			want[receiver.Key("test_bytes", map[string]string{"a": "1", "site": site})] = []receiver.Sample{
				sample(at-15000, 0), sample(at, 7), {At: at + 1000, Bits: wire.StaleMarker}}
			at += 30000
		}
		up.Store(true)
		r.flush()
		wantEqual(t, want, rec.Series())
		if _, err := r.sender.Prepare([]EndpointConfig{{URL: "ftp://x/"}, {URL: "http://y/", ExternalLabels: []wire.Label{{Name: "1", Value: "x"}}},
			{URL: "http://z/", WriteRelabelConfigs: []*relabel.Config{{Action: relabel.HashMod}}}}); err == nil || strings.Count(err.Error(), "endpoint ") != 3 {
			t.Errorf("check: %v", err)
		}
		if r.sender.Status()[0].URL != "http://a/" {
			t.Error("a check changed something")
		}
	})
}

// life is a series of the log from its beginning to its end.
type life struct {
	series int
	given  int // values
}

// TestRelabelKeepsSums proves with random rules, series and faults that of each
// life of a series either every sample arrives, under the name that Prometheus'
// own relabelling gives it, or none does and all are counted; that no request has
// two samples of a series; and that none is refused whose name is its own.
func TestRelabelKeepsSums(t *testing.T) { checkRelabelKeepsSums(t, false) }

// TestRelabelKeepsSumsAcrossRestarts proves it for processes that follow one another,
// also with a backlog.
func TestRelabelKeepsSumsAcrossRestarts(t *testing.T) { checkRelabelKeepsSums(t, true) }

func checkRelabelKeepsSums(t *testing.T, restarts bool) {
	rapid.Check(t, func(rt *rapid.T) {
		all := []*relabel.Config{
			act(relabel.LabelDrop, "", "a"), act(relabel.LabelDrop, "", "b"), act(relabel.LabelKeep, "", "__name__|a|c"),
			replace("b", "(.*)", "a", "$1"), replace("a", "1", "c", ""), replace("a", "1", "n", "one"), act(relabel.Drop, "a", "0"),
			act(relabel.Keep, "b", "0|1"), act(relabel.Drop, "__name__", "test_rtt"), replace("b", "2", "__name__", "other"),
			rule(func(c *relabel.Config) {
				c.Action, c.SourceLabels, c.Modulus, c.TargetLabel = relabel.HashMod, model.LabelNames{"a", "b", "c"}, 3, "c"
			}),
		}
		rules := rapid.SliceOfN(rapid.SampledFrom(all), 0, 3).Draw(rt, "rules")
		external := []wire.Label{{Name: "c", Value: "own"}, {Name: "x", Value: "y"}}[:rapid.IntRange(0, 2).Draw(rt, "external")]
		slices.Reverse(external)
		message := rapid.SampledFrom([]Message{Message1, Message2, MessageAuto}).Draw(rt, "message")
		faults := rapid.SliceOfN(rapid.SampledFrom([]string{"", "", "500", "500 stored", "dropped", "hang, stored"}), 0, 30).Draw(rt, "faults")
		const series = 8
		var ticks [][]bool // who is live
		for range rapid.IntRange(2, 20).Draw(rt, "ticks") {
			ticks = append(ticks, rapid.SliceOfN(rapid.Bool(), series, series).Draw(rt, "live"))
		}
		limit := rapid.IntRange(1, 5).Draw(rt, "samples per send")
		ends, downs := make([]string, len(ticks)), make([]bool, len(ticks))
		for i := range ticks {
			if restarts {
				ends[i] = rapid.SampledFrom([]string{"", "", "stop", "kill", "power"}).Draw(rt, "end")
				downs[i] = rapid.IntRange(0, 2).Draw(rt, "down") == 0
			}
		}
		var problems []string
		synctest.Test(t, func(t *testing.T) {
			d, log := disktest.New(1), queue.Config{}
			if restarts {
				log.FS, log.Dir = d, "log"
			}
			r := newRig(t, log)
			r.judged = true
			var down atomic.Bool
			rec := r.receiver("a", receiver.Config{Fail: func(n int, _ *http.Request) receiver.Fault {
				switch {
				case down.Load():
					return receiver.Fault{Status: 503}
				case n < len(faults):
					return fault(faults[n])
				}
				return receiver.Fault{}
			}})
			for _, c := range rules {
				c.NameValidationScheme = model.LegacyValidation
			}
			cfg := EndpointConfig{Name: "a", URL: "http://a/", ProtobufMessage: message, Timeout: 10 * time.Second,
				ExternalLabels: external, WriteRelabelConfigs: rules, MaxSamplesPerSend: limit, MinShards: 3}
			r.apply(cfg)
			problems = relabelled(r, rec, ticks, external, rules, func(i int) {
				down.Store(downs[i])
				if ends[i] == "" {
					return
				}
				r.restart(ends[i])
				rec.Restarted()
				r.apply(cfg)
			}, func() { down.Store(false) })
			r.sender.Close()
			time.Sleep(time.Minute) // until the receiver has noticed that requests were cut off
		})
		if len(problems) > 0 {
			rt.Fatalf("%q", problems)
		}
	})
}

// relabelled plays ticks, each after a call of before, and the rest after one of
// atEnd, and returns what is wrong with what the receiver has.
func relabelled(r *rig, rec *receiver.Receiver, ticks [][]bool, external []wire.Label, rules []*relabel.Config, before func(i int), atEnd func()) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	own := func(i int) []wire.Label {
		return []wire.Label{{Name: "a", Value: fmt.Sprint(i % 2)}, {Name: "b", Value: fmt.Sprint(i % 3)}, {Name: "c", Value: fmt.Sprint(i / 4)}}
	}
	lives := []life{{}} // a value is the number of its life, times a thousand, and a count
	live := map[int]int{}
	start, ended := map[int]int64{}, map[int]int64{}
	var given, last int64
	for n, now := range ticks {
		time.Sleep(pushInterval)
		before(n)
		at := time.Now().UnixMilli()
		tick := r.log.Begin(at)
		for i, is := range now {
			tick.Labels(own(i))
			switch {
			case is:
				if live[i] == 0 {
					lives = append(lives, life{series: i})
					live[i], start[i] = len(lives)-1, max(last, at-pushInterval.Milliseconds(), ended[i]+1)
					tick.Zero(bytesMetric, start[i])
					given++
				}
				l := &lives[live[i]]
				l.given++
				tick.Value(bytesMetric, start[i], float64(live[i]*1000+l.given))
				tick.Value(rttMetric, 0, float64(at))
				given += 2
			case live[i] != 0:
				l := &lives[live[i]]
				tick.End(bytesMetric, start[i], float64(live[i]*1000+l.given))
				tick.Stale(rttMetric)
				live[i], ended[i] = 0, at
				given += 2
			}
		}
		last = at
		r.append(tick)
		synctest.Wait()
	}
	atEnd()
	r.flush()
	for _, v := range rec.Violations() {
		bad("violation: %s", v)
	}

	// What Prometheus' own relabelling makes of each series.
	name := func(metric string, i int) string {
		b := labels.NewBuilder(labels.FromStrings(wire.NameLabel, metric))
		for _, l := range append(own(i), external...) {
			b.Set(l.Name, l.Value)
		}
		if !relabel.ProcessBuilder(b, rules...) || b.Get(wire.NameLabel) == "" {
			return ""
		}
		m := b.Labels().Map()
		metric = m[wire.NameLabel]
		delete(m, wire.NameLabel)
		return receiver.Key(metric, m)
	}
	names := map[string]int{}
	for i := range 8 {
		for _, metric := range []string{bytesMetric.Name, rttMetric.Name} {
			names[name(metric, i)]++
		}
	}
	arrived, stored := make([]int, len(lives)), 0
	for key, samples := range rec.Series() {
		stored += len(samples)
		for _, s := range samples {
			if v := s.Value(); s.Bits != 0 && !s.Stale() && v < 1e9 {
				n := int(v) / 1000
				if arrived[n]++; name(bytesMetric.Name, lives[n].series) != key {
					bad("series %d arrived as %s", lives[n].series, key)
				}
			}
		}
		if strings.HasPrefix(key, bytesMetric.Name) {
			// A process that follows another may have moved a zero of it.
			checkLives(key, slices.CompactFunc(samples, func(a, b receiver.Sample) bool { return a.Bits == 0 && b.Bits == 0 }), bad, true)
		}
	}
	for n, l := range lives {
		key := name(bytesMetric.Name, l.series)
		switch {
		case arrived[n] != 0 && arrived[n] != l.given:
			bad("%d of %d values of a life of %s arrived", arrived[n], l.given, key)
		case arrived[n] != l.given && key != "" && names[key] == 1:
			bad("%s has its name for itself and did not arrive", key)
		}
	}
	// A process that follows another may drop once more what it takes up.
	if dropped := int64(r.metricEver(prefix + "samples_dropped_total")); given > int64(stored)+dropped || len(r.past) == 0 && given != int64(stored)+dropped {
		bad("%d samples given, %d stored, %d dropped", given, stored, dropped)
	}
	return problems
}

// checkLives checks that a counter's samples are whole lives, one after another:
// a zero, values of one life that grow, a stale marker but for the last.
func checkLives(key string, samples []receiver.Sample, bad func(string, ...any), counted bool) {
	var last receiver.Sample
	for i, s := range samples {
		begins := i == 0 || last.Stale()
		switch {
		case begins != (s.Bits == 0):
			bad("%s: begins without a zero, or has one in between: %v", key, samples)
		case counted && !begins && !s.Stale() && last.Bits != 0 && s.Value() != last.Value()+1:
			bad("%s: %v after %v", key, s.Value(), last.Value())
		case i > 0 && s.At <= last.At:
			bad("%s: two samples at %d: %v", key, s.At, samples)
		}
		last = s
	}
}

// TestRenamedIsBounded proves that what is remembered of series goes with them.
func TestRenamedIsBounded(t *testing.T) {
	r := newRig(t, queue.Config{})
	c := r.log.Cursor("a", nil)
	w := newRewriter(naming{ExternalLabels: []wire.Label{{Name: "x", Value: "y"}}}, newSeeds(), func(string, string, string) {})
	const each = 3000
	for k := range int64(20) {
		tick := r.log.Begin(1000 * (k + 1))
		for i := range int64(each) {
			tick.Labels([]wire.Label{{Name: "i", Value: fmt.Sprint(k*each + i)}})
			tick.Value(bytesMetric, 1, math.Pi)
		}
		out, dropped, err := w.rewrite(appended(t, r.log, c, tick))
		if err != nil || out.Samples != each || len(dropped) != 0 {
			t.Fatalf("%+v, %v dropped, %v", out, dropped, err)
		}
	}
	if len(w.known) > 2*each || len(w.claims.held) > 3*each || len(w.claims.refused) != 0 {
		t.Errorf("%d known, %d held, %d refused after %d series went", len(w.known), len(w.claims.held), len(w.claims.refused), 19*each)
	}
}
