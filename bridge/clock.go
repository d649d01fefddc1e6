// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import "time"

// leastStep is how far the time of day must run away from the monotonic clock
// between two looks to be called a step. Slewing stays below it: chrony slews by at
// most a twelfth, which is 1.25 s in the default push interval.
const leastStep = 2 * time.Second

// clockReader reads both clocks at one moment: the time of day, which anybody may
// set, and time that only passes. A time.Time carries both, but all of its
// arithmetic prefers one of them; here they are kept apart.
type clockReader func() (wall, monotonic time.Time)

func systemClock() (wall, monotonic time.Time) {
	now := time.Now()
	return now.Round(0), now // Round strips the monotonic reading
}

// clock is the time by which samples are stamped. It notices when the time of day
// is set: by a person, by NTP, or because the machine was asleep. The ticking
// mutex guards it, except for now and passing.
type clock struct {
	read clockReader
	// The latest look.
	wall, monotonic time.Time
	// waiting: the time of day was set back, and no tick comes until it has passed
	// the last one.
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

// passing is time for durations: no step of the time of day touches the difference
// of two of its values.
func (c *clock) passing() time.Time {
	_, monotonic := c.read()
	return monotonic
}

// step returns by how much the time of day was set since the last look: negative
// is backwards, 0 not at all. Two steps in opposite directions between two looks
// cancel out, in their effects as well.
func (c *clock) step() time.Duration {
	wall, monotonic := c.read()
	by := wall.Sub(c.wall) - monotonic.Sub(c.monotonic)
	c.wall, c.monotonic = wall, monotonic
	if by.Abs() < leastStep {
		return 0
	}
	return by
}
