// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"log/slog"
	"time"
)

// noticeEvery is how often one kind of notice is logged at most.
const noticeEvery = time.Minute

// notices logs what can repeat with every record, each kind once a minute. The
// counters tell how often it happened.
type notices struct {
	logger *slog.Logger
	latest map[string]time.Time // by kind
}

// say logs a message of the given kind, which is one of few.
func (n *notices) say(kind string, now time.Time, message string, args ...any) {
	if last, ok := n.latest[kind]; ok && now.Sub(last) < noticeEvery {
		return
	}
	n.latest[kind] = now
	n.logger.Warn(message, args...)
}
