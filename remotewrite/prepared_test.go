// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/prompb"
)

// holdTick appends a tick with all series of some connections, and takes it.
func holdTick(t *testing.T, l *Log, c *cursor, at int64, conns []connection) *loggedTick {
	t.Helper()
	tick := l.Begin(at)
	fill(tick, conns)
	if err := l.Append(tick); err != nil {
		t.Fatal(err)
	}
	held, _, err := c.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return held
}

// TestPrepared proves which ticks get 1.0 bodies while they are made, that those are
// forgotten with the next tick, and that each is that of its block.
func TestPrepared(t *testing.T) {
	for name, cfg := range map[string]LogConfig{"memory": {}, "disk": {Dir: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			l := newRig(t, cfg).log
			c := l.newCursor()
			conns := connections(MaxBlockSamples/2 + 1) // three blocks
			at := int64(1_700_000_000_000)
			add := func(room int) {
				t.Helper()
				at += 15_000
				tick := l.Begin(at)
				tick.values.room = min(tick.values.room, room)
				fill(tick, conns)
				if err := l.Append(tick); err != nil {
					t.Fatal(err)
				}
			}
			held := func() *loggedTick {
				t.Helper()
				tick, _, err := c.take(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return tick
			}
			bodies := func(tick *loggedTick) (n int) {
				t.Helper()
				for i := range tick.values {
					b, _, err := tick.values[i].load(nil)
					if err != nil {
						t.Fatal(err)
					}
					data := l.body1(tick.seq, b.place)
					if data == nil {
						continue
					}
					n++
					want, _, err := plain1(t, new(encoder1), request{block: &b, to: b.samples})
					if err != nil {
						t.Fatal(err)
					}
					got, err := snappy.Decode(nil, data)
					if err != nil || string(got) != string(want) {
						t.Errorf("the body of block %d is not that of the block: %v", b.place, err)
					}
					var req prompb.WriteRequest
					if err := req.Unmarshal(got); err != nil || req.Timeseries[0].Samples[0].Timestamp != at {
						t.Errorf("the body of block %d is not of its tick: %v", b.place, err)
					}
				}
				return n
			}

			add(maxPrepared)
			first := held()
			if n := bodies(first); n != 0 {
				t.Errorf("%d bodies were prepared before anybody was sent one", n)
			}
			c.finish()
			c.wants1.Store(true)
			add(maxPrepared)
			second := held()
			if n := bodies(second); n != len(second.values) || n != 3 {
				t.Errorf("%d bodies were prepared for %d blocks", n, len(second.values))
			}
			add(maxPrepared) // while the endpoint is not done with the one before
			if l.body1(second.seq, 1) != nil {
				t.Error("bodies are kept longer than until the next tick")
			}
			c.finish()
			if n := bodies(held()); n != 0 {
				t.Errorf("%d bodies were prepared for an endpoint that does not keep up", n)
			}
			c.finish()
			add(1)
			if n := bodies(held()); n != 1 {
				t.Errorf("%d bodies were prepared where there was room for one", n)
			}
			if n := testutil.ToFloat64(l.metrics.unprepared); n != 2 {
				t.Errorf("%v blocks count as not prepared, want 2", n)
			}
			c.finish()
			if l.prepared.bodies != nil {
				t.Error("bodies are kept that nobody needs any more")
			}
		})
	}
}

// TestPreparedIsSent proves that an endpoint which speaks 1.0 asks for bodies and is
// sent them, but not where it is sent less than whole blocks, or something else.
func TestPreparedIsSent(t *testing.T) {
	r := newRig(t, LogConfig{})
	l := r.log
	e := &endpoint{cursor: l.newCursor()}
	large := &settings{cfg: EndpointConfig{MaxSamplesPerSend: MaxBlockSamples}}
	small := &settings{cfg: EndpointConfig{MaxSamplesPerSend: MaxBlockSamples - 1}}
	held := holdTick(t, l, e.cursor, 1_700_000_015_000, connections(10))
	l.prepared = prepared{tick: held.seq, bodies: [][]byte{[]byte("prepared")}}
	block := &held.values[0]
	for _, c := range []struct {
		name    string
		req     request
		version version
		cfg     *settings
		sent    bool // what is prepared
		wants   bool
	}{
		{"whole in 1.0", request{block: block, to: 50}, version1, large, true, true},
		{"a part", request{block: block, to: 20}, version1, large, false, true},
		{"whole in 2.0", request{block: block, to: 50}, version2, large, false, false},
		{"in 1.0 again", request{block: block, to: 50}, version1, large, true, true},
		{"a repair", request{block: block, to: 50, repair: &repair{all: true}}, version1, large, false, true},
		{"small requests", request{block: block, to: 50}, version1, small, true, false},
		{"a repair that follows", request{block: block, to: 50, repair: &repair{all: true}}, version1, large, false, false},
	} {
		e.settings.Store(c.cfg)
		var w workspace
		count, err := e.build(t.Context(), held, &w, c.req, c.version)
		if err != nil {
			t.Fatal(err)
		}
		if sent := string(w.body.data) == "prepared"; sent != c.sent {
			t.Errorf("%s: what is prepared is sent: %v", c.name, sent)
		}
		if count.samples != c.req.to {
			t.Errorf("%s: %d samples", c.name, count.samples)
		}
		if wants := e.cursor.wants1.Load(); wants != c.wants {
			t.Errorf("%s: wants bodies: %v", c.name, wants)
		}
	}
}

// TestPreparedUnderOtherNames proves that nothing is prepared any more for an endpoint
// whose series got other names than the log's.
func TestPreparedUnderOtherNames(t *testing.T) {
	l := newRig(t, LogConfig{}).log
	e := &endpoint{cursor: l.newCursor()}
	e.settings.Store(&settings{cfg: EndpointConfig{MaxSamplesPerSend: MaxBlockSamples}})
	at := int64(1_700_000_000_000)
	send := func() (prepared int) {
		t.Helper()
		at += 15_000
		held := holdTick(t, l, e.cursor, at, connections(10))
		prepared = len(l.prepared.bodies)
		sent, err := e.rewrite(t.Context(), held)
		if err != nil {
			t.Fatal(err)
		}
		for i := range sent.values {
			var w workspace
			if _, err := e.build(t.Context(), sent, &w, request{block: &sent.values[i], to: sent.values[i].samples}, version1); err != nil {
				t.Fatal(err)
			}
		}
		e.cursor.finish()
		return prepared
	}
	send()
	if n := send(); n != 1 {
		t.Errorf("%d bodies were prepared, want 1", n)
	}
	e.settings.Store(&settings{cfg: EndpointConfig{MaxSamplesPerSend: MaxBlockSamples, ExternalLabels: []Label{{"site", "a"}}}})
	send()
	if n := send(); n != 0 {
		t.Errorf("%d bodies were prepared that nobody can be sent", n)
	}
}
