// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import "time"

// Overdue returns for how long the slowest endpoint has not taken a step that it
// does not wait for: 0 or some milliseconds is usual, whether its receiver is healthy,
// slow or down. More means that an operation of its disk hangs, or that it has a bug.
func (s *Sender) Overdue() time.Duration {
	var longest time.Duration
	for _, e := range s.live.all() {
		longest = max(longest, e.deadline.Overdue())
	}
	return longest
}
