// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
)

// stateOf returns the state of an aggregator as one block.
func stateOf(a *Aggregator) (all []byte) {
	s := a.BeginSnapshot()
	for block, ok := s.Next(); ok; block, ok = s.Next() {
		all = append(all, block...)
	}
	return all
}

// restore gives a new aggregator the state that some blocks have.
func restore(a *Aggregator, blocks ...[]byte) error {
	return a.Restore(func() (block []byte, err error) {
		if len(blocks) == 0 {
			return nil, io.EOF
		}
		block, blocks = blocks[0], blocks[1:]
		return block, nil
	})
}

// savedState is the state of an aggregator at a moment, and a snapshot that began then.
type savedState struct {
	snapshot *Snapshot
	blocks   [][]byte
	want     []byte
}

func (s *savedState) begin(a *Aggregator) {
	s.want = stateOf(a)
	s.snapshot = a.BeginSnapshot()
}

// draw takes some blocks.
func (s *savedState) draw(n int) {
	for ; s.snapshot != nil && n > 0; n-- {
		if block, ok := s.snapshot.Next(); ok {
			s.blocks = append(s.blocks, block)
		}
	}
}

// check takes the other blocks, and restores the state.
func (s *savedState) check(t *testing.T, r *rapid.T, cfg Config) {
	if s.snapshot == nil {
		return
	}
	for block, ok := s.snapshot.Next(); ok; block, ok = s.snapshot.Next() {
		s.blocks = append(s.blocks, block)
	}
	w := newWorld(t, cfg)
	if err := restore(w.Aggregator, s.blocks...); err != nil {
		r.Fatal(err)
	}
	if !bytes.Equal(stateOf(w.Aggregator), s.want) {
		r.Fatal("the snapshot is not the state of the moment at which it began")
	}
}

// TestOneSnapshotAtATime proves when a snapshot can begin.
func TestOneSnapshotAtATime(t *testing.T) {
	w := knownWorld(t, Config{})
	w.count(w.flow("1", 100, 0))
	first := w.BeginSnapshot()
	if w.BeginSnapshot() != nil {
		t.Error("a second one began")
	}
	first.Abandon()
	if _, ok := first.Next(); ok {
		t.Error("an abandoned one has blocks")
	}
	log := &pointLog{between: func() {
		if w.BeginSnapshot() != nil {
			t.Error("one began during a tick")
		}
	}}
	for i := range int64(2 * batch) {
		f := w.flow("1", 100, 0)
		f.UUID, f.TransportA = append(f.UUID, byte('a'+i%6), byte('0'+i/6%10), byte('0'+i/60)), i
		w.Update([]input.Flow{f})
	}
	w.pass(testInterval)
	w.Tick(w.time.UnixMilli(), testInterval, log)
	second := w.BeginSnapshot()
	if second == nil {
		t.Fatal("none began after the tick")
	}
	first.Abandon() // which has no effect on the other one
	if block, ok := second.Next(); !ok || len(block) == 0 || w.connections.records.section == nil {
		t.Error("none began afterwards")
	}
}

// richState is a state that has some of everything.
func richState(t testing.TB) (Config, []byte) {
	cfg := Config{TopK: 60, TopKWindow: testInterval, Portless: PortlessSkip}
	w := knownWorld(t, cfg)
	w.conversationKey = conversationKey{}
	w.arrive([2]string{"n1", "c2"}, [2]string{"n2", "c3"})
	for round := range int64(4) {
		var flows []input.Flow
		for i := range int64(80) {
			f := w.flow(string([]byte{byte('1' + i/16), "0123456789abcdef"[i%16]}), 1000*(round+1)*(i+1), 0)
			f.TransportA, f.VLAN, f.Metric.RTT = 1000+i, i%3, i%5
			if i == 3 {
				f.UUID = []byte("a text")
			}
			flows = append(flows, f)
			if i%4 == 0 {
				f.UUID, f.CaptureID = append([]byte("f"), f.UUID...), []byte("c2")
				flows = append(flows, f)
			}
			if f.HasTransport = i%7 > 0; !f.HasTransport {
				f.UUID = append([]byte("e"), f.UUID...)
				flows = append(flows, f)
			}
		}
		w.Update(flows)
		w.Stats(input.CaptureStats{CaptureID: []byte("c1"), FlowCount: round})
		w.setInterfaces(iface("eth0", 1))
		w.CapturePackets([]input.CapturePackets{{CaptureID: []byte("c1"), NodeTID: []byte("n1"), Received: uint64(round)}}, input.Refresh{})
		w.NodeNames([]input.NodeName{{TID: []byte("n1"), Name: []byte("host")}}, input.Refresh{Whole: true})
		w.AddressNames([]input.AddressName{{Address: []byte("10.0.0.1"), Name: []byte("web")}}, input.Refresh{})
		w.tick()
	}
	late := w.flow("d1", 5000, 0) // held: its agent's clock may have been set back
	late.LastUpdate.Last -= 60_000
	late.LastUpdate.ABBytes = 100
	w.Update([]input.Flow{late})
	w.baselines.histories[0] = counts{packets: [2]uint64{1}}
	return cfg, stateOf(w.Aggregator)
}

// FuzzRestore proves that no block can do harm: what is no state is an error, and a process can
// continue from what is one.
func FuzzRestore(f *testing.F) {
	cfg, state := richState(f)
	f.Add(state)
	f.Add(state[:len(state)/2])
	for i := 7; i < len(state); i += len(state) / 50 {
		f.Add(append(append(bytes.Clone(state[:i]), state[i]+1), state[i+1:]...))
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		w := newWorld(t, cfg)
		if err := restore(w.Aggregator, state); err != nil {
			if !errors.Is(err, disk.ErrDamaged) && !errors.Is(err, disk.ErrNewer) {
				t.Error(err)
			}
			return
		}
		again := newWorld(t, cfg)
		if err := restore(again.Aggregator, stateOf(w.Aggregator)); err != nil {
			t.Errorf("what was restored cannot be restored: %v", err)
		}
		w.Update([]input.Flow{w.flow("1", 1<<40, 0), w.flow("10", 1<<41, 0), w.flow("a text", 1<<41, 0), w.flow("99", 1<<41, 0)})
		for range 3 {
			w.Tick(w.LastTick()+MinTickGap, testInterval, &discard{})
		}
	})
}

// TestDamagedStates proves that each changed byte and each missing part is found, or makes
// another state.
func TestDamagedStates(t *testing.T) {
	cfg, state := richState(t)
	for n := range len(state) {
		if n%37 > 0 {
			continue
		}
		if err := restore(newWorld(t, cfg).Aggregator, state[:n]); !errors.Is(err, disk.ErrDamaged) {
			t.Fatalf("the first %d bytes of %d: %v", n, len(state), err)
		}
		changed := bytes.Clone(state)
		changed[n] ^= 1
		w := newWorld(t, cfg)
		if err := restore(w.Aggregator, changed); err == nil && bytes.Equal(stateOf(w.Aggregator), state) {
			t.Errorf("byte %d does not matter", n)
		}
	}
	state[1]++
	if err := restore(newWorld(t, cfg).Aggregator, state); !errors.Is(err, disk.ErrNewer) {
		t.Errorf("of a newer version: %v", err)
	}
	state[1]--
	if err := restore(newWorld(t, Config{}).Aggregator, state); !errors.Is(err, disk.ErrDamaged) {
		t.Errorf("without top_k: %v", err)
	}
}
