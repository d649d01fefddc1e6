// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/bridge/skydive/decode"
	"github.com/skydive-project/skybridge/internal/analyzer"
	judge "github.com/skydive-project/skybridge/internal/reference"
	"github.com/skydive-project/skybridge/replica"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// table is an Emitter that keeps one tick as a table that a person can read.
type table struct {
	rows           []string
	bytes, packets uint64
}

func (t *table) Captures([]aggregator.CapturePoint)     {}
func (t *table) Interfaces([]aggregator.InterfacePoint) {}

func (t *table) Connections(points []aggregator.Point) {
	for _, p := range points {
		directions := []string{label.InitiatorToTarget, label.TargetToInitiator}
		if p.Layout.Direction < 0 {
			directions = directions[:1]
		}
		for d := range directions {
			values := strings.Split(strings.TrimSuffix(p.Values, "\xff"), "\xff")
			if p.Layout.Direction >= 0 {
				values = slices.Insert(values, p.Layout.Direction, directions[d])
			}
			for i, v := range values {
				if v == "" {
					values[i] = "-"
				}
			}
			t.rows = append(t.rows, fmt.Sprintf("%s\t%d\t%d\t", strings.Join(values, "\t"), p.Bytes[d], p.Packets[d]))
			t.bytes += p.Bytes[d]
			t.packets += p.Packets[d]
		}
	}
}

// TestViewsOfRecordings shows what the recordings of a real analyzer look like
// with several choices of labels: the tables in testdata/views. All views of one
// recording have the totals of the reference.
func TestViewsOfRecordings(t *testing.T) {
	networks := []label.Network{
		{Name: "veth", Prefix: netip.MustParsePrefix("10.77.0.0/24")},
		{Name: "veth", Prefix: netip.MustParsePrefix("fd77::/64")},
		{Name: "server", Prefix: netip.MustParsePrefix("10.77.0.2/32")},
		{Name: "tunnel", Prefix: netip.MustParsePrefix("10.88.0.0/16")},
	}
	for _, recording := range []string{"session-mixed", "two-captures", "vxlan-tunnel"} {
		total := totalOf(t, recording)
		for _, view := range []struct {
			name string
			cfg  label.Config
		}{
			{"protocols", label.Config{Labels: []string{"protocol", "direction"}}},
			{"applications", label.Config{Labels: []string{"application", "capture_id", "protocol"}}},
			{"services", label.Config{Labels: []string{"initiator_ip", "initiator_port", "target_ip", "target_port", "protocol"}, Ports: label.ServicePorts}},
			{"own-services", label.Config{Labels: []string{"initiator_port", "target_port", "protocol"}, Ports: label.ServicePorts,
				ServicePorts: []label.PortRange{{Protocol: "TCP", First: 40010, Last: 40012}}}},
			{"addresses", label.Config{Labels: []string{"initiator_ip", "initiator_port", "target_ip", "target_port", "protocol"}, Ports: label.DropPorts}},
			{"networks", label.Config{Labels: []string{"initiator_network", "target_network", "flow_class"}, Networks: networks,
				ClusterNetworks: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/32"), netip.MustParsePrefix("fd77::/16")}}},
		} {
			t.Run(recording+"/"+view.name, func(t *testing.T) {
				got, sum := tableOf(t, recording, aggregator.Config{Config: view.cfg})
				golden(t, filepath.Join("testdata", "views", recording+"."+view.name+".golden"), got)
				if sum != total {
					t.Errorf("%s; the reference says %s", sum, total)
				}
			})
		}
	}
}

// recorded returns the data messages of a recording in order.
func recorded(t *testing.T, name string) [][]byte {
	t.Helper()
	messages, err := analyzer.Recording(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

// totalOf returns what the reference makes of a recording.
func totalOf(t *testing.T, recording string) string {
	r := judge.New()
	for _, msg := range recorded(t, recording) {
		var m struct {
			Namespace string
			Obj       json.RawMessage
		}
		var flows []analyzer.Flow
		if err := json.Unmarshal(msg, &m); err != nil {
			t.Fatal(err)
		}
		if m.Namespace != "flow" {
			continue
		}
		if err := json.Unmarshal(m.Obj, &flows); err != nil {
			t.Fatal(err)
		}
		r.Report(flows...)
	}
	sums := r.By(judge.View{})
	return fmt.Sprintf("%d bytes and %d packets in all", sums["bytes{}"], sums["packets{}"])
}

// tableOf counts a recording and returns what connections have then.
func tableOf(t *testing.T, recording string, cfg aggregator.Config) (text, total string) {
	cfg.ConnectionTimeout, cfg.FlowRetention = time.Hour, time.Hour
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped"}, []string{"reason"})
	now := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return now }
	logger, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	a := replica.New(aggregator.New(registry, skipped, logger), replica.Clock{Wall: clock, Passing: clock}, registry, logger)
	if err := a.Start(replica.Configuration{Config: cfg}); err != nil {
		t.Fatal(err)
	}
	var m decode.Message
	for _, msg := range recorded(t, recording) {
		if err := decode.Decode(msg, &m); err != nil {
			t.Fatal(err)
		}
		a.Update(m.Flows)
	}
	var rows table
	for tick := range 3 { // counters begin with the third
		a.Tick(now.UnixMilli()+1000*int64(tick+1), time.Second, &rows)
	}
	slices.Sort(rows.rows)
	var labels []string
	for _, name := range slices.Sorted(slices.Values(cfg.Labels)) {
		if cfg.Ports != label.DropPorts || !strings.HasSuffix(name, "_port") {
			labels = append(labels, name)
		}
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "%s\tbytes\tpackets\t\n%s\n", strings.Join(labels, "\t"), strings.Join(rows.rows, "\n"))
	_ = w.Flush() // to memory
	total = fmt.Sprintf("%d bytes and %d packets in all", rows.bytes, rows.packets)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n\n" + total + "\n", total
}

// golden compares got with a file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got, rewrite with -update):\n%s", path, diff)
	}
}
