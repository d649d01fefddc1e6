// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// LiveMetric is the name of the series that KeepLive, Tick and TickAt write.
const LiveMetric = "prom_live"

// Tick writes the live series at now. From then on the TSDB refuses what lies
// more than an hour behind (half its block range), as one in use does, unless
// the out-of-order window is wider.
func (s *Server) Tick() error { return s.TickAt(time.Now()) }

// TickAt is Tick at a time of the caller's choice. Twice the same is no error.
func (s *Server) TickAt(at time.Time) error {
	app := s.db.Appender(context.Background())
	if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, LiveMetric), at.UnixMilli(), 1); err != nil {
		return fmt.Errorf("prom: live sample at %s: %w", at, errors.Join(err, app.Rollback()))
	}
	if err := app.Commit(); err != nil {
		return fmt.Errorf("prom: commit live sample at %s: %w", at, err)
	}
	return nil
}

func (s *Server) keepLive(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := s.Tick(); err != nil {
			s.logger.Warn("prom: live series", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
