// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"log/slog"

	"github.com/skydive-project/skybridge/logging"
)

// warnings logs what can repeat with every record, each kind once in [logging.Every]; the
// counters have how often it happened.
type warnings struct {
	logger *slog.Logger
	limits map[string]*logging.Limit // by kind
}

func newWarnings(logger *slog.Logger) warnings {
	return warnings{logger: logger, limits: map[string]*logging.Limit{}}
}

// log logs a message of the given kind, which is one of few.
func (n *warnings) log(kind, message string, args ...any) {
	limit := n.limits[kind]
	if limit == nil {
		limit = &logging.Limit{}
		n.limits[kind] = limit
	}
	if notLogged, ok := limit.Allow(); ok {
		n.logger.Warn(message, append(args, notLogged)...)
	}
}
