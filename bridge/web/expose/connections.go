// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package expose

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/skydive-project/skybridge/aggregator"
)

// connections writes the families of connections, one walk over all rows for
// each, since a family's series must stand together.
func (p *page) connections(source Source) {
	for i, family := range aggregator.ConnectionFamilies() {
		p.family(family)
		cursor := new(aggregator.ScrapeCursor)
		for !p.stopped() {
			n := source.Scrape(cursor, p.rows)
			if n == 0 {
				break
			}
			for j := range p.rows[:n] {
				row := &p.rows[j]
				if values, series := row.Value(i); series > 0 {
					p.connection(row, &values, series == 2)
				}
			}
		}
	}
}

// connection writes a row's series in the family begun: that of the direction
// initiator to target, or without direction, and if both that of the other.
// It is the page's inner loop: about 0.1 µs a series, no allocation (BenchmarkScrape250k).
func (p *page) connection(row *aggregator.Row, values *[2]uint64, both bool) {
	if !p.headed {
		p.head()
	}
	if row.Layout != p.lastLayout {
		p.lastLayout, p.lastBytes = row.Layout, lineBytes(p.begun.Name, row.Layout)
	}
	need := 2 * (p.lastBytes + escapedMax*len(row.Values))
	if need > pageBytes {
		p.longConnection(row, values, both)
		return
	}
	p.room(need) // from here on nothing is flushed, so what was written can be copied

	b := p.buf
	start := len(b)
	b = append(b, p.begun.Name...)
	rest := row.Values
	separator := byte('{')
	directionAt, directionEnd := 0, 0
	for i, name := range row.Layout.Names {
		if i == row.Layout.Direction {
			b = append(b, separator)
			b = append(b, name...)
			b = append(b, '=', '"')
			directionAt = len(b)
			b = append(b, aggregator.DirectionInitiatorToTarget...)
			directionEnd = len(b)
			b = append(b, '"')
			separator = ','
			continue
		}
		n := plainPrefix(rest)
		if n < len(rest) && rest[n] == aggregator.Separator {
			// The common case: nothing to escape. An empty value is no label.
			if n > 0 {
				b = append(b, separator)
				b = append(b, name...)
				b = append(b, '=', '"')
				b = append(b, rest[:n]...)
				b = append(b, '"')
				separator = ','
			}
			rest = rest[n+1:]
			continue
		}
		var value string
		value, rest, _ = strings.Cut(rest, separatorString)
		if value != "" {
			b = append(b, separator)
			b = append(b, name...)
			b = append(b, '=', '"')
			b = appendEscaped(b, value)
			b = append(b, '"')
			separator = ','
		}
	}
	if separator == ',' {
		b = append(b, '}')
	}
	b = append(b, ' ')
	end := len(b)
	b = strconv.AppendUint(b, values[0], 10)
	b = append(b, '\n')
	if both {
		// The other direction's line differs in that label and the value only.
		b = append(b, b[start:directionAt]...)
		b = append(b, aggregator.DirectionTargetToInitiator...)
		b = append(b, b[directionEnd:end]...)
		b = strconv.AppendUint(b, values[1], 10)
		b = append(b, '\n')
	}
	p.buf = b
}

const separatorString = string("\xff") // aggregator.Separator

// plainPrefix returns how many bytes of s need no thought: ASCII without
// backslash, quote and newline.
func plainPrefix(s string) int {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '\n' {
			return i
		}
	}
	return len(s)
}

// lineBytes bounds the length of one line with empty label values.
func lineBytes(family string, layout *aggregator.Layout) int {
	n := len(family) + len(`{} 18446744073709551615`+"\n") + len(aggregator.DirectionInitiatorToTarget)
	for _, name := range layout.Names {
		n += len(name) + len(`,=""`)
	}
	return n
}

// longConnection does what connection does for a row whose lines may not fit the
// buffer, piece by piece.
func (p *page) longConnection(row *aggregator.Row, values *[2]uint64, both bool) {
	directions := [2]string{aggregator.DirectionInitiatorToTarget, aggregator.DirectionTargetToInitiator}
	for d, direction := range directions {
		if d == 1 && !both {
			return
		}
		p.text(p.begun.Name)
		rest := row.Values
		separator := byte('{')
		for i, name := range row.Layout.Names {
			value := direction
			if i != row.Layout.Direction {
				value, rest, _ = strings.Cut(rest, separatorString)
			}
			if value != "" {
				p.label(separator, name, value)
				separator = ','
			}
		}
		if separator == ',' {
			p.text("}")
		}
		p.value(values[d])
	}
}
