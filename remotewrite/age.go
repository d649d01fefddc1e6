// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import "time"

// tooOld says whether the held tick is not worth sending any more: the log's
// bound says so, which goes by the newest tick, or the endpoint's limit, which
// goes by the clock, as sample_age_limit does in Prometheus. What is given up so
// is counted, and counters that began in it get a zero later (cursor.go).
func (e *endpoint) tooOld(t *loggedTick, limit time.Duration) bool {
	return e.cursor.expired(t) || (limit > 0 && e.now().Sub(time.UnixMilli(t.at)) > limit)
}
