// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import "time"

// leastStep is the least difference between the time of day and the monotonic clock from one
// reading to the next that is a step. Slewing stays below it: chrony slews by at most a
// twelfth, which is 1.25 s in the default push interval.
const leastStep = 2 * time.Second

// clockReader reads both clocks at one moment: the time of day, which can be set, and the
// monotonic one. A time.Time has both, but its arithmetic prefers one of them.
type clockReader func() (wall, monotonic time.Time)

func systemClock() (wall, monotonic time.Time) {
	now := time.Now()
	return now.Round(0), now // Round strips the monotonic reading
}

// clock is the time of samples. It detects that the time of day was set: by a person, by NTP,
// or because the machine was asleep. The ticking mutex guards it, except for now and passing.
type clock struct {
	read clockReader
	// The latest reading.
	wall, monotonic time.Time
	// waiting: the time of day was set back, and there are no ticks until it has passed the
	// last one.
	waiting bool
}

func newClock(read clockReader) *clock {
	if read == nil {
		read = systemClock
	}
	c := &clock{read: read}
	c.wall, c.monotonic = read()
	return c
}

// now is the time of day.
func (c *clock) now() time.Time {
	wall, _ := c.read()
	return wall
}

// passing is monotonic time, for durations.
func (c *clock) passing() time.Time {
	_, monotonic := c.read()
	return monotonic
}

// step returns by how much the time of day was set since the last reading: negative is
// backwards, 0 not at all. Opposite steps in between cancel out, in their effects as well.
func (c *clock) step() time.Duration {
	wall, monotonic := c.read()
	by := wall.Sub(c.wall) - monotonic.Sub(c.monotonic)
	c.wall, c.monotonic = wall, monotonic
	if by.Abs() < leastStep {
		return 0
	}
	return by
}
