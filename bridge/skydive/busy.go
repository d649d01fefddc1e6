// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import "time"

// Busy returns for how long a message that is decoded and counted now has been at it, the
// oldest of them; 0: the feed waits for one. A feed that works is busy for microseconds.
func (f *Feed) Busy() time.Duration { return f.decoding.desks.busy() }
