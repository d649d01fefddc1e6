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
	logger := slog.New(slog.NewTextHandler(&r.logged, nil))
	if cfg.FS == nil {
		r.log = New(cfg, r.reg, logger)
		return r
	}
	var err error
	if r.log, err = Open(cfg, r.reg, logger); err != nil {
		t.Fatal(err)
	}
	return r
}

// count is how often words are logged.
func (r *rig) count(words string) int { return strings.Count(r.logged.String(), words) }

func (r *rig) append(tick *TickBuilder) {
	r.t.Helper()
	if err := appendTo(r.log, tick); err != nil {
		r.t.Fatal(err)
	}
}

// appendTo appends a tick, and publishes it also where the disk does not take it.
func appendTo(l *Log, tick *TickBuilder) error {
	err := l.Append(tick)
	if errors.Is(err, ErrUndurable) {
		l.Publish()
		return nil
	}
	return err
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
	r.append(tick)
}

// metric returns the sum of a metric's values over all of its series.
func (r *rig) metric(name string) (sum float64) {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func (r *rig) wantMetric(want float64, name string) {
	r.t.Helper()
	if got := r.metric(name); got != want {
		r.t.Errorf("%s = %v, want %v", name, got, want)
	}
}
