// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/meter"
)

type metrics struct{ failures, resets, snapshots, cutBytes prometheus.Counter }

func newMetrics(reg prometheus.Registerer, stateBytes func() int64) *metrics {
	on := meter.On(reg)
	on.GaugeOf(func() float64 { return float64(stateBytes()) }, "skybridge_state_bytes", "Bytes of the state on disk: snapshot and journal.", nil)
	return &metrics{
		failures:  on.Counter("skybridge_state_troubles_total", "Times that the state could not be written and counting continued in memory."),
		resets:    on.Counter("skybridge_state_doubts_total", "Starts that reset every counter to 0 because the state was missing, damaged, or older than what was sent."),
		snapshots: on.Counter("skybridge_state_snapshots_total", "Snapshots of the state. Each replaces the journal before it."),
		cutBytes:  on.Counter("skybridge_state_cut_bytes_total", "Bytes of a torn record at the end of the journal after a crash. No sample contained them."),
	}
}
