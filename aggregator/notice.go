// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"log/slog"

	"github.com/skydive-project/skybridge/logging"
)

// notices logs what can repeat with every record, each kind seldom. What is held back
// costs no more than a look at the clock. The counters tell how often it happened.
type notices struct {
	logger *slog.Logger
	limits map[string]*logging.Limit // by kind
}

// say logs a message of the given kind, which is one of few.
func (n *notices) say(kind, message string, args ...any) {
	limit := n.limits[kind]
	if limit == nil {
		limit = &logging.Limit{}
		n.limits[kind] = limit
	}
	if notLogged, ok := limit.Allow(); ok {
		n.logger.Warn(message, append(args, notLogged)...)
	}
}
