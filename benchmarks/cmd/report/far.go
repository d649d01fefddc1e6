// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// farRoundTrip is that of the far receiver.
const farRoundTrip = 100 * time.Millisecond

// far is the row of a receiver far away, which was gone for a while: what a bridge that
// ticks each second drains, and whether it keeps up after that.
func (r *report) far(ctx context.Context) ([]line, error) {
	side := func(delay time.Duration) func() (values, error) {
		return func() (values, error) { return r.farSide(ctx, delay) }
	}
	all, err := r.turns(side(farRoundTrip/2), side(0))
	if err != nil {
		return nil, err
	}
	wanted := float64(5 * r.sizes.farConnections)
	drain, drainNear := median(all[0], "drain"), median(all[1], "drain")
	steady, steadyNear := median(all[0], "steady"), median(all[1], "steady")
	behind := func(side []values) string { return fmt.Sprintf("%.0f ticks behind", median(side, "behind")) }
	return []line{{
		path: fmt.Sprintf("far receiver (100 ms): draining a backlog while %s samples/s come, samples/s", count(wanted)),
		ours: count(drain), against: count(drainNear) + ", on loopback",
		ratio: times(drain / drainNear), bar: count(2*wanted) + "/s", reached: new(drain >= 2*wanted),
	}, {
		path: "far receiver (100 ms): samples/s after that",
		ours: count(steady) + ", " + behind(all[0]), against: count(steadyNear) + ", " + behind(all[1]) + ", on loopback",
		// A tick more or less lies between two looks.
		ratio: times(steady / steadyNear), bar: count(wanted) + "/s", reached: new(steady >= 0.95*wanted),
	}}, nil
}

// farSide measures with a delay each way.
func (r *report) farSide(ctx context.Context, delay time.Duration) (values, error) {
	to, err := startReceiver()
	if err != nil {
		return nil, err
	}
	defer to.stop()
	path, err := startProxy(to.address(), delay)
	if err != nil {
		return nil, err
	}
	defer path.stop()
	s := spec{Work: "push ours", Connections: r.sizes.farConnections, Interval: time.Second, Receiver: writeURL(path.address()), Version2: true}
	c, remove, err := r.startPush(ctx, s)
	if err != nil {
		return nil, err
	}
	defer remove()
	out, err := r.drain(ctx, s, c, to, path)
	at, seen := to.seen()
	_, ended := c.stop()
	if err := errors.Join(err, seen, ended); err != nil {
		return nil, err
	}
	// The rest comes while the bridge stops, and one more tick that it ends with.
	all, err := to.seen()
	out["behind"] = max(0, float64(all.samples-at.samples)/float64(5*s.Connections)-1)
	return out, err
}

// drain opens the path after a while and looks at what comes.
func (r *report) drain(ctx context.Context, s spec, c *child, to *receiver, path *proxy) (values, error) {
	// Nobody takes anything yet; each tick waits in the log.
	if err := pause(ctx, time.Duration(r.sizes.farBacklog)*s.Interval); err != nil {
		return nil, err
	}
	path.open.Store(true)
	began := time.Now()
	backlog := int64(r.sizes.farBacklog * 5 * s.Connections)
	if _, err := to.await(ctx, c, backlog, 0); err != nil {
		return nil, err
	}
	out := values{"drain": float64(backlog) / time.Since(began).Seconds()}
	// What has come meanwhile is drained as well: a pause between two ticks says that
	// it is. A sender that cannot keep up never pauses.
	settled, cancel := context.WithTimeout(ctx, time.Duration(r.sizes.farBacklog)*s.Interval)
	defer cancel()
	if _, err := to.await(settled, c, backlog, s.Interval/10); err != nil && settled.Err() == nil {
		return nil, err
	}
	before, err := to.seen()
	if err != nil {
		return nil, err
	}
	watched := time.Now()
	if err := pause(ctx, r.sizes.farSteady); err != nil {
		return nil, err
	}
	after, err := to.seen()
	out["steady"] = float64(after.samples-before.samples) / time.Since(watched).Seconds()
	return out, err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
