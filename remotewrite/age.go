// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"errors"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/queue"
)

var (
	// errTooOld ends the sending of what is not wanted any more.
	errTooOld = errors.New("tick is too old")
	// errOutOfWindow ends the sending of what the receiver would not accept any
	// more: it is condensed, or gets another time.
	errOutOfWindow = errors.New("older than the backlog window")
)

// tooOld says why what is held is not worth sending any more, nil: it is. The
// log's bound and the endpoint's window go by the newest tick; limit goes by the
// clock, as sample_age_limit does in Prometheus. What is given up by limit or the
// log's bound is counted, and counters that began in it get a zero later
// (cursor.go).
func (e *endpoint) tooOld(t *queue.Tick, limit time.Duration) error {
	toSend, toKeep := e.cursor.Expired(t)
	switch {
	case toKeep, limit > 0 && e.now().Sub(time.UnixMilli(t.At)) > limit:
		return errTooOld
	case toSend:
		return errOutOfWindow
	}
	return nil
}
