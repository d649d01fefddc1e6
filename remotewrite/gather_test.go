// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestFoldHoldsEnds proves that an endpoint which folds ticks in memory keeps only
// their ends there, and copies of its own: others may fold them too.
func TestFoldHoldsEnds(t *testing.T) {
	l := NewLog(LogConfig{PushInterval: pushInterval}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	c := l.newCursor()
	defer wantNoLoss(t, c)
	c.setWindow(time.Minute.Milliseconds())
	l.newCursor() // takes ticks of any age, so that they are whole in the log
	for i := range 12 {
		if err := l.Append(endingTick(l, i)); err != nil {
			t.Fatal(err)
		}
	}
	held, _, err := c.take(t.Context())
	if err != nil || held.fold == nil || len(held.fold.ticks) < 2 {
		t.Fatalf("held %+v, %v, want a fold of several ticks", held, err)
	}
	for i, tick := range held.fold.ticks {
		if len(tick.zeros)+len(tick.values) > 0 || len(tick.ends) != 1 {
			t.Errorf("tick %d: %d blocks, want its ends only", i, len(tick.zeros)+len(tick.values)+len(tick.ends))
		}
		if tick == l.ticks[i] {
			t.Errorf("tick %d is the log's own", i)
		}
	}
}

// TestFoldForgets proves that an endpoint which renames series does not remember
// what has ended in folds, of which there can be millions; and that what has the name
// of a series that lives is not folded.
func TestFoldForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, LogConfig{PushInterval: pushInterval})
		r.foldEnds, r.log.foldEnds = 1, 1
		var up atomic.Bool
		up.Store(true)
		rec := r.receiver("a", receiver.Config{GiveUps: true, Fail: func(int, *http.Request) receiver.Fault {
			if !up.Load() {
				return receiver.Fault{Status: 503}
			}
			return receiver.Fault{}
		}})
		r.apply(EndpointConfig{URL: "http://a/", BacklogWindow: 2 * time.Minute, WriteRelabelConfigs: []*relabel.Config{replace("a", "lives.*", "a", "lives")}})
		const ticks = 40
		for i := range ticks {
			time.Sleep(pushInterval)
			at := time.Now().UnixMilli()
			before := at - pushInterval.Milliseconds()
			tick := r.log.Begin(at)
			tick.Labels([]wire.Label{{Name: "a", Value: "lives"}})
			tick.Value(bytesMetric, before-1, 5)
			switch {
			case i == 1:
				up.Store(false)
			case i == 3:
				tick.Labels([]wire.Label{{Name: "a", Value: "lives too"}})
				tick.End(bytesMetric, before, 1000)
			case i > 3 && i < ticks/2:
				tick.Labels([]wire.Label{{Name: "a", Value: fmt.Sprint(i)}})
				tick.End(bytesMetric, before, 1)
			}
			r.append(tick)
			synctest.Wait()
		}
		up.Store(true)
		endpoint := r.sender.live.all()[0]
		r.flush()
		r.sender.Close()
		if got := receiver.Increase(rec.Series()[receiver.Key("test_bytes", map[string]string{"a": "lives"})]); got != 5 {
			t.Errorf("increase %v of what lives, want its value", got)
		}
		r.wantMetric(ticks/2-4, "skybridge_condensed_series_total")
		if n := len(endpoint.named[0].rewriter.claims.held); n != 1 {
			t.Errorf("%d names are held, want that of the one that lives", n)
		}
	})
}

// TestToFoldDropped proves that who waits for an endpoint learns that it has nothing
// left, where the log has dropped what the endpoint held and would fold.
func TestToFoldDropped(t *testing.T) {
	l := NewLog(LogConfig{MaxAge: time.Minute}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	c := l.newCursor()
	if err := l.Append(endingTick(l, 0)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(l.Begin(2 * 60_000)); err != nil { // drops it
		t.Fatal(err)
	}
	changed := l.changed
	c.toFold(tallied{})
	select {
	case <-changed:
	default:
		t.Error("nobody is told")
	}
	if dropped := c.outcome().total().Samples; c.next != 2 || dropped != 13 {
		t.Errorf("next is %d, %d samples dropped", c.next, dropped)
	}
}

// TestFoldTorn proves that a fold of which a crash and a bound leave less than was
// being sent does not send other sums than before, and counts what may be missing.
func TestFoldTorn(t *testing.T) {
	for step := range foldSteps {
		t.Run(fmt.Sprintf("group %d under way", step), func(t *testing.T) {
			d := disktest.New(1)
			open := func() (*Log, *cursor) {
				l, err := OpenLog(LogConfig{FS: d, Dir: "log", SegmentBytes: 1, PushInterval: pushInterval}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				c := l.resumeCursor("a")
				c.setWindow(time.Minute.Milliseconds())
				l.settle()
				return l, c
			}
			l, c := open()
			for i := range 12 {
				if err := l.Append(endingTick(l, i)); err != nil {
					t.Fatal(err)
				}
			}
			held, _, err := c.take(t.Context())
			if err != nil || held.fold == nil {
				t.Fatalf("held %+v, %v, want a fold", held, err)
			}
			ends := len(held.fold.ticks)
			c.answered(step)
			c.close()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if err := d.Remove(segments(d)[0]); err != nil {
				t.Fatal(err)
			}
			l, c = open()
			if held, _, err = c.take(t.Context()); err != nil || held.fold == nil || len(held.fold.ticks) != ends-1 {
				t.Fatalf("held %+v, %v, want the rest of the fold", held, err)
			}
			want, lost := step, 0
			if step == foldSums {
				want, lost = step+1, ends-1
			}
			if series := int(c.outcome().total().Series); held.fold.step != want || series != lost {
				t.Errorf("continues at group %d, %d series lost, want %d, %d", held.fold.step, series, want, lost)
			}
			c.close()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
