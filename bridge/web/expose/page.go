// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
)

// Source is what a page is made of: every series as last sampled. Its methods
// are called from many requests at once and beside updates.
// *aggregator.Aggregator implements it.
type Source interface {
	// Scrape fills rows with connections not yet seen through the cursor and
	// returns how many; 0 is the end. The zero cursor is the beginning. What it
	// filled stays valid and unchanged, strings included.
	Scrape(c *aggregator.ScrapeCursor, rows []aggregator.Row) int
	// ScrapeCaptures appends every capture to dst, sorted by id.
	ScrapeCaptures(dst []aggregator.CaptureRow) []aggregator.CaptureRow
	// ScrapeInterfaces appends every network interface to dst, sorted.
	ScrapeInterfaces(dst []aggregator.InterfaceRow) []aggregator.InterfaceRow
}

// What a page needs in memory, whatever its length: the buffer, the rows
// (64 B each), and net/http's own 6 kB. Larger ones were not faster.
const (
	pageBytes = 32 << 10
	pageRows  = 128
)

// page formats series into a buffer and hands it on whenever it is full. The
// first error of writing sticks: what comes after it does nothing. A page
// belongs to one goroutine.
type page struct {
	ctx         context.Context // of the scrape
	w           io.Writer
	err         error
	openMetrics bool

	buf  []byte // its capacity stays pageBytes: no row is larger (TestLargestRowFits)
	rows []aggregator.Row

	// begun is the family whose samples are being written, headed whether its
	// header has been: a family without series is left out.
	begun  aggregator.Family
	headed bool

	// lastLayout saves connections from adding up names for each row.
	lastLayout *label.Layout
	lastBytes  int
}

func newPage(ctx context.Context, w io.Writer, openMetrics bool) *page {
	return &page{ctx: ctx, w: w, openMetrics: openMetrics, buf: make([]byte, 0, pageBytes), rows: make([]aggregator.Row, pageRows)}
}

// finish writes what is left and returns the page's error.
func (p *page) finish() error {
	if p.openMetrics {
		p.text("# EOF\n")
	}
	p.flush()
	return p.err
}

// stopped reports whether the client has left.
func (p *page) stopped() bool {
	if p.err == nil {
		p.err = p.ctx.Err()
	}
	return p.err != nil
}

// flush hands the buffer on.
func (p *page) flush() {
	if p.err == nil && len(p.buf) > 0 {
		_, p.err = p.w.Write(p.buf)
	}
	p.buf = p.buf[:0]
}

// room makes sure that n bytes fit, where n is at most [pageBytes].
func (p *page) room(n int) {
	if cap(p.buf)-len(p.buf) < n {
		p.flush()
	}
}

// text adds the parts of a text.
func (p *page) text(parts ...string) {
	for _, part := range parts {
		p.room(len(part))
		p.buf = append(p.buf, part...)
	}
}

// bytes adds b, which it does not keep.
func (p *page) bytes(b []byte) {
	p.flush()
	if p.err == nil {
		_, p.err = p.w.Write(b)
	}
}

// sample writes a sample of the family begun; a label without a value is none.
func (p *page) sample(labels []struct{ Name, Value string }, value uint64) {
	const longest = len("} 18446744073709551615\n")
	if !p.headed {
		p.head()
	}
	p.text(p.begun.Name)
	separator := byte('{')
	for _, l := range labels {
		if l.Value == "" {
			continue
		}
		p.room(len(l.Name) + escapedMax*len(l.Value) + len(`,=""`))
		p.buf = append(p.buf, separator)
		p.buf = append(p.buf, l.Name...)
		p.buf = append(p.buf, '=', '"')
		p.buf = appendEscaped(p.buf, l.Value)
		p.buf = append(p.buf, '"')
		separator = ','
	}
	p.room(longest)
	if separator == ',' {
		p.buf = append(p.buf, '}')
	}
	p.buf = append(p.buf, ' ')
	p.buf = strconv.AppendUint(p.buf, value, 10)
	p.buf = append(p.buf, '\n')
}

// family begins a family; its header comes with its first sample.
func (p *page) family(f aggregator.Family) {
	p.begun, p.headed = f, false
	p.lastLayout = nil // lastBytes holds for one family
}

// head writes the family's header.
//
// Text 0.0.4 types counters as such. OpenMetrics (1.0.0, "Counter" and "Metric
// Family Name") wants a counter's samples to end in _total and its family to be
// named without that; names are fixed here, so counters named otherwise are of
// type unknown. A unit may be stated only where the family's name ends in it.
func (p *page) head() {
	p.headed = true
	name, kind := p.begun.Name, "gauge"
	if p.begun.Counter {
		kind = "counter"
	}
	if p.openMetrics && p.begun.Counter {
		base, ok := strings.CutSuffix(name, "_total")
		if ok {
			name = base
		} else {
			kind = "unknown"
		}
	}
	p.text("# HELP ", name, " ", escapeHelp(p.begun.Help, p.openMetrics), "\n# TYPE ", name, " ", kind, "\n")
	if unit := p.begun.Unit; p.openMetrics && unit != "" && strings.HasSuffix(name, "_"+unit) {
		p.text("# UNIT ", name, " ", unit, "\n")
	}
}
