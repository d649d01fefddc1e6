// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"
)

// realUpdate is flow.update as Skydive's agents have it by default.
const realUpdate = 60 * time.Second

// ranges are what the guide's queries rate over.
//
// A counter moves once in each flow.update, and the samples that a range holds
// span one push interval less than the range. So rate is right where the range
// is whole updates plus one push interval. With updates once a minute and pushes
// every 15 s, the samples of a minute span 45 s: a quarter of the rates are 0 and
// the others a third too high (measured); over 75 s all are right.
type ranges struct {
	update, push time.Duration
}

// exact is the shortest such range that is a minute or longer, rounded up to a
// whole second.
func (r ranges) exact() time.Duration {
	updates := max(1, ceilDiv(time.Minute-r.push, r.update))
	return ceilDiv(updates*r.update+r.push, time.Second) * time.Second
}

// minute is a minute where that is near enough, because its samples span five
// updates or more, and exact otherwise.
func (r ranges) minute() time.Duration {
	if 5*r.update+r.push <= time.Minute {
		return time.Minute
	}
	return r.exact()
}

func ceilDiv(a, b time.Duration) time.Duration { return (a + b - 1) / b }

// promQL writes whole seconds as PromQL does: 1m, 75s.
func promQL(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
