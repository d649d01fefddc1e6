// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
)

// TestStopDuringRecovery stops a bridge that has not finished recovering: it ends
// without a tick and without waiting for receivers, and the next one continues as if
// it had never been.
func TestStopDuringRecovery(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.dir = t.TempDir()
	r.configure("", "")
	r.start()
	r.play(30)
	r.halt()
	before := len(r.raw()[0].Samples)

	ctx, stop := context.WithCancel(r.ctx)
	stop()
	var logged logs
	err := Run(ctx, Options{
		ConfigFile: r.config, StoragePath: r.dir, ListenAddress: r.address, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		Listening: func(string) { t.Error("it listens") },
	})
	if err != nil {
		t.Error(err)
	}
	if text := logged.String(); strings.Contains(text, "flushed") || !strings.Contains(text, "stopped before it started") {
		t.Errorf("it does not say how it ended:\n%s", text)
	}
	if after := len(r.raw()[0].Samples); after != before {
		t.Errorf("%d samples came of a bridge that was stopped", after-before)
	}

	last := judge.Last(r.raw())
	r.start()
	r.awaitTicks(1)
	if diff := judge.Diff(last, judge.Last(r.raw())); diff != "" {
		t.Errorf("the counters did not continue:\n%s", diff)
	}
	r.halt()
	r.judgeExact()
}
