// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package rows has fixed series for tests of what reads them.
package rows

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
)

// Source yields fixed rows, as an aggregator does after a tick. Positions are kept by
// cursor, since a cursor's inside belongs to the aggregator.
type Source struct {
	Rows       []aggregator.Row
	Captures   []aggregator.CaptureRow
	Interfaces []aggregator.InterfaceRow
	Endless    bool // start again instead of ending

	mu    sync.Mutex
	at    map[*aggregator.ScrapeCursor]int
	calls int
}

// Scrape yields the next rows.
func (s *Source) Scrape(c *aggregator.ScrapeCursor, rows []aggregator.Row) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at = make(map[*aggregator.ScrapeCursor]int)
	}
	s.calls++
	n := copy(rows, s.Rows[s.at[c]:])
	if n > 0 {
		s.at[c] += n
		return n
	}
	delete(s.at, c)
	if s.Endless {
		return copy(rows, s.Rows)
	}
	return 0
}

// Calls is how often rows were asked for.
func (s *Source) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// ScrapeTraffic gives a row the rate of its bytes.
func (s *Source) ScrapeTraffic(c *aggregator.ScrapeCursor, rows []aggregator.TrafficRow) int {
	plain := make([]aggregator.Row, len(rows))
	n := s.Scrape(c, plain)
	for i, row := range plain[:n] {
		rows[i] = aggregator.TrafficRow{
			Row: row, Rate: [2]float32{float32(row.Bytes[0]), float32(row.Bytes[1])},
			Overflow: strings.HasPrefix(row.Values, "other\xff"),
		}
	}
	return n
}

// ScrapeCaptures appends all captures.
func (s *Source) ScrapeCaptures(dst []aggregator.CaptureRow) []aggregator.CaptureRow {
	return append(dst, s.Captures...)
}

// ScrapeInterfaces appends all interfaces.
func (s *Source) ScrapeInterfaces(dst []aggregator.InterfaceRow) []aggregator.InterfaceRow {
	return append(dst, s.Interfaces...)
}

// DefaultLayout is that of the default labels.
func DefaultLayout() *label.Layout {
	return &label.Layout{
		Names: []string{
			"direction", "initiator_ip", "initiator_port", "node_tid", "protocol", "target_ip", "target_port",
		},
	}
}

// DirectedLayout is that of the default labels, with a value for each direction.
func DirectedLayout() *label.Layout {
	l := DefaultLayout()
	l.Direction = slices.Index(l.Names, "direction")
	return l
}

// Values joins label values as a Row has them.
func Values(v ...string) string {
	return strings.Join(v, "\xff") + "\xff"
}

// Many returns a source of n connections, each with five series.
func Many(n int) *Source {
	layout := DefaultLayout()
	s := &Source{Rows: make([]aggregator.Row, n)}
	for i := range s.Rows {
		s.Rows[i] = aggregator.Row{
			Layout: layout,
			Values: Values(
				fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), fmt.Sprint(32768+i%28000),
				"4f1d4ac1-5b5a-5e5c-7b5b-1234567890ab", "TCP", fmt.Sprintf("192.168.7.%d", i%250), "443"),
			Bytes:   [2]uint64{uint64(i) * 1234567, uint64(i) * 89},
			Packets: [2]uint64{uint64(i) * 1021, uint64(i)},
			Gauges:  aggregator.Gauges{uint64(250000 + i)},
		}
	}
	return s
}

// Names are names of addresses and nodes, as the topology knows them.
type Names struct {
	Addresses map[string]string
	Nodes     map[string]label.NodeNames
}

// KnownAddress returns an address's name.
func (n Names) KnownAddress(addr string) string { return n.Addresses[addr] }

// KnownNode returns a node's names.
func (n Names) KnownNode(tid string) label.NodeNames { return n.Nodes[tid] }
