// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// timing is how long a stopping bridge waits for its parts. What hangs is logged and abandoned:
// the whole stop stays below the TimeoutStopSec=90s of the unit.
type timing struct {
	// disk is how long one operation may take before the disk counts as failing: far above
	// a sync on a busy disk, a few seconds, and far below what the watchdog allows a tick,
	// [notify.DefaultHang].
	disk time.Duration
	// parts is how long the feed, the topology, ticks and reloads may take to end: above
	// disk, which a tick may wait for.
	parts time.Duration
	// flush is how long sending the last tick may take.
	flush time.Duration
	// web is above the web server's 10 s for requests in flight.
	web time.Duration
	// stop is how long all of it may take.
	stop time.Duration
}

func defaultTiming() timing {
	return timing{disk: 30 * time.Second, parts: 35 * time.Second, flush: 15 * time.Second, web: 12 * time.Second, stop: 75 * time.Second}
}

// part is a part of the bridge that runs in a goroutine of its own.
type part struct {
	name  string
	ended chan struct{}
	err   error // once ended
}

func startPart(name string, run func() error) *part {
	p := &part{name: name, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.err = run()
	}()
	return p
}

// await waits for parts, for d at most; those that have not ended by then are logged and
// abandoned. It returns the errors of those that have ended.
func (b *Bridge) await(d time.Duration, parts ...*part) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var errs []error
	for _, p := range parts {
		b.step(p.name)
		select {
		case <-p.ended:
		case <-ctx.Done():
		}
		select {
		case <-p.ended:
			errs = append(errs, p.err)
		default:
			b.logger.Error("a part of the bridge does not end; the bridge stops without it", "part", p.name, "waited", d)
		}
	}
	return errors.Join(errs...)
}

// lockTicks excludes ticks and reloads, unless one of them hangs for longer than d.
func (b *Bridge) lockTicks(d time.Duration) bool {
	for over := time.Now().Add(d); !b.ticking.TryLock(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(over) {
			return false
		}
	}
	return true
}

// lastTick pushes the last values and waits until the receivers have them. Series end if
// nothing is durable.
func (b *Bridge) lastTick() {
	b.step("the last tick")
	switch {
	case !b.lockTicks(time.Second):
		b.logger.Error("there is no last tick: the one before it, or a reload, hangs")
	case b.storage == nil || b.replica.Failure() != nil:
		b.endAll(true)
		b.ticking.Unlock()
	default:
		b.tickNow()
		b.ticking.Unlock()
	}
	b.step("the flush to the receivers")
	ctx, cancel := context.WithTimeout(context.Background(), b.timing.flush)
	defer cancel()
	err := b.sender.Flush(ctx)
	switch {
	case err != nil && b.storage != nil && b.failure() == nil:
		b.logger.Warn("not everything was pushed before the bridge stopped; what is left is on disk and will be pushed when it starts again", "err", err)
		return
	case err != nil:
		b.logger.Error("not everything was pushed before the bridge stopped; what is left is lost", "err", err)
		return
	}
	b.logger.Info("stopped; nothing is left to push")
}

// step records what is waited for, for the error of runAndClose.
func (b *Bridge) step(name string) { b.stopStep.Store(&name) }

// runAndClose runs the bridge until ctx is done, stops it, and closes what it holds. A stop
// that takes longer than timing.stop is an error, after which the process has to end.
func (b *Bridge) runAndClose(ctx context.Context) error {
	b.step("the first tick")
	all := startPart("the bridge", func() error {
		err := b.run(ctx)
		b.close()
		return err
	})
	select {
	case <-all.ended:
		return all.err
	case <-ctx.Done():
	case <-b.stopping: // the listener failed
	}
	over := time.NewTimer(b.timing.stop)
	defer over.Stop()
	select {
	case <-all.ended:
		return all.err
	case <-over.C:
		return fmt.Errorf("bridge: it has not stopped within %s and ends now, for this does not end: %s; with --storage.path the next start continues as after a kill", b.timing.stop, *b.stopStep.Load())
	}
}
