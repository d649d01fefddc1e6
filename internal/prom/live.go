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
	"github.com/prometheus/prometheus/storage"
)

// LiveMetric is the name of the series that KeepLive and TickAt write.
const LiveMetric = "prom_live"

// TickAt writes the live series at a time. From then on the TSDB refuses what lies
// more than an hour behind it (half its block range), as one in use does, unless
// the out-of-order window is wider. A time that is not after the
// last one changes nothing: what a tick is for has been done by a later one,
// be it of KeepLive, which ticks beside the caller.
func (s *Server) TickAt(at time.Time) error {
	// One after the other: of two appenders that begin a series at once, the TSDB
	// may log a sample before the series, and drop it when it reads its WAL.
	s.ticking.Lock()
	defer s.ticking.Unlock()
	app := s.db.Appender(context.Background())
	if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, LiveMetric), at.UnixMilli(), 1); err != nil {
		err = errors.Join(err, app.Rollback())
		if errors.Is(err, storage.ErrOutOfOrderSample) {
			return nil
		}
		return fmt.Errorf("prom: live sample at %s: %w", at, err)
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
		if err := s.TickAt(time.Now()); err != nil {
			s.logger.Warn("prom: live series", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
