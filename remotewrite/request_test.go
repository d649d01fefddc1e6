// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"slices"
	"testing"

	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestBuild proves that a whole block is sent in 2.0 as it is, that the rest is encoded,
// and that a body never shares the block's memory where it is written to.
func TestBuild(t *testing.T) {
	var b wire.Builder
	var set wire.LabelSet
	for range 3 {
		b.Add(&set, bytesMetric, wire.Sample{Value: 1, At: 2, Start: 3})
	}
	blk := &queue.InMemory(b.Take())[0]
	before := slices.Clone(blk.Data)
	var w workspace
	zeros := &repair{from: 1, before: 5, at: 1}
	for _, c := range []struct {
		req     request
		v       wire.Version
		samples int
		asIs    bool
	}{
		{request{block: blk, to: 3}, wire.V2, 3, true},
		{request{block: blk, to: 3}, wire.V1, 3, false},
		{request{block: blk, to: 2}, wire.V2, 2, false},
		{request{block: blk, to: 3}, wire.V2, 3, true},
		{request{block: blk, from: 1, to: 3}, wire.V1, 2, false},
		{request{block: blk, to: 3, repair: zeros}, wire.V2, 3, false},
		{request{block: blk, to: 3, repair: &repair{before: 3}}, wire.V1, 0, false},
	} {
		count, err := w.build(c.req, c.v)
		if err != nil || count.Samples != c.samples {
			t.Errorf("%+v in %v: %d samples, %v", c.req, c.v, count.Samples, err)
		}
		if asIs := &w.body.Data[0] == &blk.Data[0]; asIs != c.asIs {
			t.Errorf("%+v in %v: sent as it is: %v", c.req, c.v, asIs)
		}
	}
	if !slices.Equal(before, blk.Data) {
		t.Error("the block was written to")
	}
}

// TestRepair proves which samples a repair takes, and what it makes of them.
func TestRepair(t *testing.T) {
	for _, c := range []struct {
		name   string
		repair repair
		in     wire.Sample
		want   wire.Sample
		taken  bool
	}{
		{"began before", repair{from: 10, before: 20, at: 30}, wire.Sample{Value: 7, At: 25, Start: 9}, wire.Sample{Value: 7, At: 25, Start: 9}, false},
		{"began later", repair{from: 10, before: 20, at: 30}, wire.Sample{Value: 7, At: 25, Start: 20}, wire.Sample{Value: 7, At: 25, Start: 20}, false},
		{"no counter", repair{from: -1, before: 20, at: 30}, wire.Sample{Value: 7, At: 25}, wire.Sample{Value: 7, At: 25}, false},
		{"zero", repair{from: 10, before: 20, at: 30}, wire.Sample{Value: 7, At: 25, Start: 10}, wire.Sample{At: 30, Start: 10}, true},
		{"all, value", repair{all: true, at: 30, as: asValue}, wire.Sample{Value: 7, At: 25, Start: 10}, wire.Sample{Value: 7, At: 30, Start: 10}, true},
		{"all, stale", repair{all: true, at: 30, as: asStale}, wire.Sample{Value: 7, At: 25, Start: 10}, wire.Sample{Value: wire.StaleMarker, At: 30}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.in
			if taken := c.repair.change(&got); taken != c.taken || taken && got != c.want {
				t.Errorf("%v, %+v, want %v, %+v", taken, got, c.taken, c.want)
			}
		})
	}
}

// TestBodyInUse proves that the memory of a body that a transport still reads is not
// used for the next request.
func TestBodyInUse(t *testing.T) {
	b := &client.Body{}
	w := &workspace{body: b}
	b.Hold()
	blk := wire.Block{Data: []byte{}}
	_, _ = w.build(request{block: &queue.Block{Block: blk}}, wire.V1)
	if w.body == b {
		t.Error("a body that is read was taken for the next request")
	}
}
