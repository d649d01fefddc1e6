// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/leaks"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

const pushInterval = 15 * time.Second

// Two metrics that tests use.
var (
	bytesMetric = &wire.Metric{Name: "test_bytes", Help: "Bytes.", Unit: "bytes", Type: wire.Counter}
	rttMetric   = &wire.Metric{Name: "test_rtt", Help: "Time.", Unit: "nanoseconds", Type: wire.Gauge}
)

// rig is a log with what it logs and counts.
type rig struct {
	t      *testing.T
	log    *Log
	reg    *prometheus.Registry
	logged bytes.Buffer
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	r := &rig{t: t, reg: prometheus.NewPedanticRegistry()}
	r.log = openWith(t, cfg, r.reg, slog.New(slog.NewTextHandler(&r.logged, nil)))
	return r
}

// openLog opens a log, in memory or on cfg.FS.
func openLog(t testing.TB, cfg Config) *Log {
	t.Helper()
	return openWith(t, cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
}

func openWith(t testing.TB, cfg Config, reg prometheus.Registerer, logger *slog.Logger) *Log {
	t.Helper()
	if cfg.FS != nil {
		cfg.Dir = "log"
	}
	l, err := Open(cfg, reg, logger)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// openFor opens a log for one endpoint, "a".
func openFor(t testing.TB, cfg Config) (*Log, *Cursor) {
	t.Helper()
	l := openLog(t, cfg)
	c := l.Cursor("a", nil)
	l.ReleaseParked()
	return l, c
}

// closeLog ends endpoints and then the log.
func closeLog(t testing.TB, l *Log, cursors ...*Cursor) {
	t.Helper()
	for _, c := range cursors {
		c.Close()
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// take takes the next tick.
func take(t testing.TB, c *Cursor) *Tick {
	t.Helper()
	tick, err := c.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tick
}

// finish takes the next tick, which is answered whole.
func finish(t testing.TB, c *Cursor) *Tick {
	t.Helper()
	tick := take(t, c)
	c.Answered(StepZeros)
	c.Done("", false)
	return tick
}

// count is how often words are logged.
func (r *rig) count(words string) int { return strings.Count(r.logged.String(), words) }

// appendTo appends a tick, and publishes it also where the disk does not take it.
func appendTo(t testing.TB, l *Log, tick *TickBuilder) {
	t.Helper()
	err := l.Append(tick)
	if errors.Is(err, ErrUndurable) {
		l.Publish()
	} else if err != nil {
		t.Fatal(err)
	}
}

// value appends a tick with one counter sample, with its zero where zero is set.
func (r *rig) value(at, start int64, zero bool, v float64) {
	r.t.Helper()
	tick := r.log.Begin(at)
	tick.Labels([]wire.Label{{Name: "a", Value: "1"}})
	if zero {
		tick.Zero(bytesMetric, start)
	}
	tick.Value(bytesMetric, start, v)
	appendTo(r.t, r.log, tick)
}

func (r *rig) wantMetric(want float64, name string) {
	r.t.Helper()
	if got := await.Sum(r.t, r.reg, name); got != want {
		r.t.Errorf("%s = %v, want %v", name, got, want)
	}
}
