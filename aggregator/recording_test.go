// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"encoding/json"
	goflag "flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/analyzer"
)

var update = goflag.Bool("update", false, "write the golden files")

// recordedMessage is one message of a recording, at the time at which it came.
type recordedMessage struct {
	at    time.Time
	flows []input.Flow
	stats *input.CaptureStats // in place of flows
}

// recording reads the flows and statistics of a recording of a real analyzer.
func recording(t *testing.T, name string) (messages []recordedMessage) {
	data, err := os.ReadFile(filepath.Join("..", "bridge", "skydive", "testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var m struct {
			T    float64
			Text string
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		var text struct {
			Namespace string
			Obj       json.RawMessage
		}
		if m.Text == "" || json.Unmarshal([]byte(m.Text), &text) != nil {
			continue
		}
		message := recordedMessage{at: time.UnixMilli(int64(m.T * 1000))}
		var flows []analyzer.Flow
		var stats analyzer.Stats
		switch {
		case text.Namespace == "flow" && json.Unmarshal(text.Obj, &flows) == nil:
			message.flows = flowsOf(flows)
		case text.Namespace == "stats" && json.Unmarshal(text.Obj, &stats) == nil:
			message.stats = &input.CaptureStats{
				CaptureID: []byte(stats.CaptureID), FlowCount: stats.FlowCount,
				FlowDropped: stats.FlowDropped, KernelFlowDropped: stats.KernelFlowDropped,
				PacketsDropped: stats.PacketsDropped, PacketsReceived: stats.PacketsReceived,
			}
		default:
			continue
		}
		messages = append(messages, message)
	}
	return messages
}

// playRecording counts a recording and returns what was exported, as a table.
func playRecording(t *testing.T, name string, cfg Config) string {
	messages := recording(t, name)
	w := newWorld(t, cfg)
	later := w.time.Add(time.Second).Sub(messages[0].at) // as if it happened now
	for _, m := range messages {
		for i := range m.flows {
			f := &m.flows[i]
			for _, at := range []*int64{&f.Start, &f.Metric.Last, &f.LastUpdate.Start, &f.LastUpdate.Last} {
				*at += later.Milliseconds()
			}
		}
		at := m.at.Add(later)
		for at.Sub(w.time) >= testInterval {
			w.tick()
		}
		w.pass(at.Sub(w.time))
		w.Update(m.flows)
	}
	w.tick()

	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	type row struct{ bytes, packets [2]uint64 }
	rows := map[string]*row{}
	for series, n := range w.receiver.increases() {
		kind, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
		var values []string
		direction := 0
		for pair := range strings.SplitSeq(labels, ",") {
			switch _, value, _ := strings.Cut(pair, "="); value {
			case label.TargetToInitiator:
				direction = 1
			case label.InitiatorToTarget:
			default:
				values = append(values, value)
			}
		}
		key := strings.Join(values, "\t")
		if rows[key] == nil {
			rows[key] = &row{}
		}
		if kind == "bytes" {
			rows[key].bytes[direction] = n
		} else {
			rows[key].packets[direction] = n
		}
	}
	var names []string
	for _, l := range w.connections.layout.Names {
		if l != "direction" {
			names = append(names, l)
		}
	}
	fmt.Fprintf(table, "%s\tbytes\tback\tpackets\tback\n", strings.Join(names, "\t"))
	sum := row{}
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		r := rows[key]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\n", key, r.bytes[0], r.bytes[1], r.packets[0], r.packets[1])
		sum.bytes[0] += r.bytes[0] + r.bytes[1]
		sum.packets[0] += r.packets[0] + r.packets[1]
	}
	_ = table.Flush()
	fmt.Fprintf(&b, "in all %d bytes, %d packets; reported by another capture before %.0f bytes; left out: inner %.0f, outer %.0f\n",
		sum.bytes[0], sum.packets[0], w.metric("skybridge_duplicate_bytes_total", ""),
		w.metric("skybridge_filtered_bytes_total", tunnelInner), w.metric("skybridge_filtered_bytes_total", tunnelOuter))
	return b.String()
}

// TestRecordings holds what is counted of the recordings of two capture points
// and of a tunnel against tables that a person has checked. They are written
// with -update.
func TestRecordings(t *testing.T) {
	for _, name := range []string{"two-captures", "vxlan-tunnel"} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, c := range []struct {
				title string
				cfg   Config
			}{
				{"observers: all, with node_tid", Config{}},
				{"observers: all, without node_tid", Config{Config: label.Config{Labels: withoutNode()}}},
				{"observers: one", Config{Config: label.Config{Labels: withoutNode()}, Observers: ObserversOne}},
				{"observers: one, with node_tid: as all", Config{Observers: ObserversOne}},
				{"observers: one, tunnels: inner", Config{Config: label.Config{Labels: withoutNode()}, Observers: ObserversOne, Tunnels: TunnelsInner}},
				{"observers: one, tunnels: outer", Config{Config: label.Config{Labels: withoutNode()}, Observers: ObserversOne, Tunnels: TunnelsOuter}},
			} {
				if name == "two-captures" && c.cfg.Tunnels != "" {
					continue
				}
				fmt.Fprintf(&b, "# %s\n%s\n", c.title, playRecording(t, name, c.cfg))
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("(-want +got, write with -update)\n%s", diff)
			}
		})
	}
}

// TestRecordedStatistics proves that of a real capture's statistics the flows in its
// table are shown, and no packets: 3,404 and 3,810 are sums of readings.
func TestRecordedStatistics(t *testing.T) {
	w := newWorld(t, Config{})
	messages := recording(t, "stats")
	for i, m := range messages {
		if m.stats == nil {
			t.Fatal("flows among statistics")
		}
		if i > 0 {
			w.pass(m.at.Sub(messages[i-1].at))
		}
		w.Stats(*m.stats)
	}
	w.tick()
	want := CaptureRow{CaptureID: "1500c9dc-1de8-4387-8324-38f83ad5dd9a", FlowCount: 2}
	if rows := w.ScrapeCaptures(nil); len(messages) != 2 || len(rows) != 1 || rows[0] != want {
		t.Errorf("%d messages, %+v: want 2, %+v", len(messages), rows, want)
	}
}
