// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"bytes"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// called is a configuration that gives names: the log's external label zone, and
// the endpoint's own label site.
type called struct{ zone, site string }

func (c called) external() []wire.Label { return []wire.Label{{Name: "zone", Value: c.zone}} }

func (c called) endpoint(name string) EndpointConfig {
	return EndpointConfig{Name: name, URL: "http://" + name + "/", ProtobufMessage: Message1,
		WriteRelabelConfigs: []*relabel.Config{replace("a", "(.*)", "site", c.site+"$1")}}
}

func (c called) key() string {
	return receiver.Key("test_bytes", map[string]string{"a": "1", "zone": c.zone, "site": c.site + "1"})
}

// TestResume proves that a configuration that changes names between two processes
// is what a reload is: the backlog on disk, and what is appended to end its series,
// go out under the names that they began with, and only then the new ones hold. It
// plays the same changes as reloads, as restarts after SIGTERM, and after a kill.
func TestResume(t *testing.T) {
	courses := []called{{"eu", "one"}, {"us", "two"}, {"us", "three"}, {"us", "three"}, {"de", "three"}, {"eu", "one"}}
	for _, how := range []string{"reload", "stop", "kill"} {
		bubble(t, how, func(t *testing.T) {
			d := disktest.New(1)
			r := newRig(t, queue.Config{FS: d, Dir: "log", ExternalLabels: courses[0].external()})
			var up atomic.Bool
			rec := r.receiver("a", receiver.Config{Fail: unless(&up, receiver.Fault{Status: 503})})
			want := map[string][]receiver.Sample{}
			give := func(c called, samples ...receiver.Sample) { want[c.key()] = append(want[c.key()], samples...) }
			r.apply(courses[0].endpoint("a"))
			at := int64(0)
			for i, c := range courses {
				now := []EndpointConfig{c.endpoint("a")}
				former := courses[max(0, i-1)]
				switch {
				case how == "reload":
					if got := r.sender.Renames(now); got != (c.site != former.site) {
						t.Errorf("%v: renames %v", c, got)
					}
				case i > 0:
					var kill func()
					if how == "kill" {
						kill = d.Kill
					}
					r.halt(kill)
					r.cfg.ExternalLabels = c.external()
					r.start()
					renames, err := r.sender.Resume(r.prepare(now...))
					if err != nil || renames != (c != former) {
						t.Errorf("%v: renames %v, %v", c, renames, err)
					}
					if got := r.sender.Renames(now); got != (c.site != former.site) {
						t.Errorf("%v: renames %v after Resume", c, got)
					}
					wantEqual(t, former.external(), r.log.ExternalLabels())
				}
				if i > 0 { // the walk of a reload: values, stale markers, new names
					at += 1000
					r.value(at, at-2000, false, 9)
					tick := r.log.Begin(at + 500)
					tick.Labels([]wire.Label{{Name: "a", Value: "1"}})
					tick.Stale(bytesMetric)
					r.append(tick)
					give(former, sample(at, 9), receiver.Sample{At: at + 500, Bits: wire.StaleMarker})
				}
				r.apply(now...)
				r.log.SetExternalLabels(c.external())
				if r.sender.Renames(now) {
					t.Errorf("%v: not in force after Apply", c)
				}
				at += 15000
				r.value(at, at-1000, true, 7)
				give(c, sample(at-1000, 0), sample(at, 7))
			}
			up.Store(true)
			r.flush()
			got := rec.Series()
			for _, samples := range want {
				slices.SortFunc(samples, func(a, b receiver.Sample) int { return int(a.At - b.At) })
			}
			wantEqual(t, want, got)
			r.wantMetric(0, "skybridge_log_corruptions_total")
		})
	}
}

// TestNamesOutliveSegments proves that the names under which series run are known
// to the next process when everything was sent and no segment is left, and that an
// endpoint that comes then takes its own.
func TestNamesOutliveSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disktest.New(1)
		one, two := called{"eu", "one"}, called{"us", "two"}
		r := newRig(t, queue.Config{FS: d, Dir: "log", SegmentBytes: 1, ExternalLabels: one.external()})
		var up atomic.Bool
		up.Store(true)
		a, b := r.receiver("a", receiver.Config{Fail: unless(&up, receiver.Fault{Status: 503})}), r.receiver("b", receiver.Config{Fail: unless(&up, receiver.Fault{Status: 503})})
		r.apply(one.endpoint("a"))
		r.value(20000, 5000, true, 7)
		r.flush()
		// The second process dies before it has appended anything.
		for _, end := range []func(){nil, d.Kill} {
			r.halt(end)
			r.cfg.ExternalLabels = two.external()
			r.start()
			renames, err := r.sender.Resume(r.prepare(two.endpoint("a"), two.endpoint("b")))
			if n := len(segments(d)); n > 0 || !renames || err != nil {
				t.Fatalf("%d segments are left, renames %v, %v", n, renames, err)
			}
		}
		r.value(35000, 5000, false, 8)
		r.flush()
		mixed := called{"eu", "two"} // b had no names before
		wantA := map[string][]receiver.Sample{one.key(): {sample(5000, 0), sample(20000, 7), sample(35000, 8)}}
		wantB := map[string][]receiver.Sample{mixed.key(): {sample(35000, 8)}}
		wantEqual(t, wantA, a.Series())
		wantEqual(t, wantB, b.Series())
	})
}

// TestNamesLost proves that without the mark file, or with a damaged one, the
// present names hold for everything, and the log says so.
func TestNamesLost(t *testing.T) {
	for name, damage := range map[string]func(d *disktest.Disk){
		"gone":    func(d *disktest.Disk) { _ = d.Remove("log/marks") },
		"damaged": func(d *disktest.Disk) { d.SetBytes("log/marks", d.Bytes("log/marks")[1:]) },
	} {
		bubble(t, name, func(t *testing.T) {
			d := disktest.New(1)
			one, two := called{"eu", "one"}, called{"us", "two"}
			r := newRig(t, queue.Config{FS: d, Dir: "log", ExternalLabels: one.external()})
			var up atomic.Bool
			rec := r.receiver("a", receiver.Config{Fail: unless(&up, receiver.Fault{Status: 503})})
			r.apply(one.endpoint("a"))
			r.value(20000, 5000, true, 7)
			r.halt(nil)
			damage(d)
			r.cfg.ExternalLabels = two.external()
			r.start()
			if renames, err := r.sender.Resume(r.prepare(two.endpoint("a"))); renames || err != nil {
				t.Errorf("renames %v, %v", renames, err)
			}
			if n := r.count("it is not known how the series of older ticks were called"); n != 1 {
				t.Errorf("logged %d times: %s", n, r.logged.String())
			}
			r.value(35000, 20001, true, 8)
			up.Store(true)
			r.flush()
			old := called{"eu", "two"} // external labels lie in the ticks
			if diff := cmp.Diff(map[string][]receiver.Sample{
				old.key(): {sample(5000, 0), sample(20000, 7)}, two.key(): {sample(20001, 0), sample(35000, 8)}}, rec.Series()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNoSecretsOnDisk proves that nothing of an endpoint's URL, headers or
// authentication is in any file of the log.
func TestNoSecretsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disktest.New(1)
		r := newRig(t, queue.Config{FS: d, Dir: "log"})
		r.apply(EndpointConfig{URL: "http://user:hunter2@a/?token=hunter2", Headers: map[string]string{"X-Key": "hunter2"}, ExternalLabels: []wire.Label{{Name: "site", Value: "visible"}}})
		r.value(20000, 5000, true, math.Pi)
		r.halt(nil)
		visible := false
		for _, name := range d.Files() {
			for _, secret := range []string{"hunter2", "token", "X-Key"} {
				if bytes.Contains(d.Bytes(name), []byte(secret)) {
					t.Errorf("%s is in %s", secret, name)
				}
			}
			visible = visible || bytes.Contains(d.Bytes(name), []byte("visible"))
		}
		if !visible {
			t.Error("the labels are not there either: is anything written?")
		}
	})
}
