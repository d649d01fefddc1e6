// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
)

// TestRestartContinues stops the bridge and starts it again: no series ends, none
// begins again, and the first tick of the second process has the values of the
// first before anything is reported. One in between is stopped before it has recovered:
// it ends without a tick and without waiting for receivers, and changes nothing.
func TestRestartContinues(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.dir = t.TempDir()
	r.configure("", "")
	r.start()
	r.play(30)
	r.halt()
	before, samples := judge.Last(r.raw()), len(r.raw()[0].Samples)
	ctx, stop := context.WithCancel(r.ctx)
	stop()
	var logged logs
	if err := Run(ctx, Options{
		ConfigFile: r.config, StoragePath: r.dir, ListenAddresses: []string{r.address}, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		Listening: func(string) { t.Error("it listens") },
	}); err != nil {
		t.Error(err)
	}
	if text := logged.String(); strings.Contains(text, "flushed") || !strings.Contains(text, "stopped before it started") {
		t.Errorf("it does not say how it ended:\n%s", text)
	}
	if after := len(r.raw()[0].Samples); after != samples {
		t.Errorf("%d samples came of a bridge that was stopped", after-samples)
	}
	r.start()
	r.awaitTicks(1)
	if diff := judge.Diff(before, judge.Last(r.raw())); diff != "" {
		t.Errorf("the counters did not continue:\n%s", diff)
	}
	r.play(30)
	r.halt()
	r.judgeExact()
	for _, s := range r.raw() {
		lives := prom.Incarnations(s.Samples)
		if last := lives[len(lives)-1]; len(lives) != 1 || last.Ended() {
			t.Errorf("%v has %d incarnations (the last ended: %v), want one that continues", s.Labels, len(lives), last.Ended())
		}
	}
	if text := r.logs.String(); !strings.Contains(text, "counters continue where they were") {
		t.Errorf("nothing says that the counters continued:\n%s", text)
	}
}

// TestRestartWithOtherNames changes what series are called while the bridge is
// down: it ends them under their former names and resets, as at a reload.
func TestRestartWithOtherNames(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.dir = filepath.Join(t.TempDir(), "new")
	endpoint := "remote_write: [{url: '" + r.prom.WriteURL() + "', %s}]\n"
	for i, c := range []struct{ global, more, labels string }{
		{},
		{global: ", external_labels: {site: b}"},
		{more: "external_labels: {site: c}"},
		{more: "write_relabel_configs: [{target_label: site, replacement: d}]"},
		{labels: "aggregation: {labels: [direction, initiator_ip, target_ip, initiator_port, target_port, protocol]}\n"},
		{labels: "aggregation: {ports: service}\n"},
		{labels: "aggregation: {ports: service, service_ports: [32768-40000]}\n"},
		{labels: "aggregation: {labels: [direction, initiator_ip, target_ip, flow_class]}\n"},
		{labels: "aggregation: {labels: [direction, initiator_ip, target_ip, flow_class], cluster_networks: [10.77.0.0/16]}\n"},
		{labels: "aggregation: {labels: [direction, initiator_ip]}\n"},
	} {
		if c.more == "" {
			c.more = "name: ''"
		}
		r.configure(c.global, fmt.Sprintf(endpoint, c.more)+c.labels)
		r.start()
		r.play(20 + i)
		r.halt()
	}
	ended, total := map[string]int{}, 0
	for _, s := range r.raw() {
		if s.Labels.Get("target_ip") == "" {
			continue // of the last configuration: it continues
		}
		lives := prom.Incarnations(s.Samples)
		if total++; lives[len(lives)-1].Ended() {
			ended[s.Labels.Get("site")]++
		} else {
			t.Errorf("%v did not end", s.Labels)
		}
	}
	if total == 0 || ended[""] == 0 || ended["b"] == 0 || ended["c"] == 0 || ended["d"] == 0 {
		t.Errorf("series that ended, by site: %v", ended)
	}
	r.judgeTotal()
}
