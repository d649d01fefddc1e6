// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"time"

	"github.com/skydive-project/skybridge/benchmarks/world"
)

// window is how many updates may be on the way to a worker: the bridge sheds what its
// queue does not hold, about 80,000, and nothing may be shed here.
const window = 20_000

// sendRounds lets n connections report so many times, as fast as the worker counts
// them, the first round being number first.
func sendRounds(ctx context.Context, w *world.World, s *subscriber, c *child, n, first, rounds int) error {
	var message []byte
	sent := int64(n * first)
	for round := first; round < first+rounds; round++ {
		for id := 0; id < n; id += world.MessageFlows {
			flows := min(world.MessageFlows, n-id)
			message = w.AppendMessage(message[:0], id, flows, round)
			for sent-c.progress.Load() > window {
				select {
				case <-c.moved:
				case <-c.done:
					return errors.Join(errors.New("the worker ended before it had everything"), c.err)
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := s.send(message); err != nil {
				return errors.Join(err, c.err)
			}
			sent += int64(flows)
		}
	}
	return nil
}

// sendPaced lets n connections report for the given time or, where that is 0, once: so
// many a second, each of them in its turn. It returns the round to go on with.
func sendPaced(ctx context.Context, w *world.World, s *subscriber, n, round, perSecond int, forTime time.Duration) (int, error) {
	const step = 20 * time.Millisecond
	pace := time.NewTicker(step)
	defer pace.Stop()
	began := time.Now()
	var message []byte
	for id, sent := 0, 0; ; {
		due := int(float64(perSecond) * time.Since(began).Seconds())
		for sent < due {
			flows := min(world.MessageFlows, n-id)
			message = w.AppendMessage(message[:0], id, flows, round)
			if err := s.send(message); err != nil {
				return round, err
			}
			sent += flows
			if id += flows; id == n {
				id = 0
				if round++; forTime == 0 {
					return round, nil
				}
			}
		}
		if forTime > 0 && time.Since(began) >= forTime {
			return round, nil
		}
		select {
		case <-pace.C:
		case <-s.gone:
			return round, errors.New("the subscriber has gone")
		case <-ctx.Done():
			return round, ctx.Err()
		}
	}
}
