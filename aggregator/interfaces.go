// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"slices"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// interfaces holds what Skydive's topology says of network interfaces.
//
// Their numbers are the kernel's, cumulative since the interface came up, and sampled as
// they are: without a zero, for it is not known when they began.
type interfaces struct {
	byLabels map[InterfaceLabels]*interfaceState
	list     []*interfaceState // the same, in the order in which they came
	whole    bool              // a whole refresh has begun
	ending   bool              // none begins at the next tick; see [Aggregator.LeftToEnd]
	points   []InterfacePoint  // scratch
}

type interfaceState struct {
	labels  InterfaceLabels
	sampled [2][InterfaceMetrics]uint64 // at the latest two ticks; see samplePair
	live    [2]bool                     // it had values at that tick, not stale markers
	now     [InterfaceMetrics]uint64
	present bool // in the topology
	old     bool // not stated since a whole refresh began
	phase   phase
	ending  bool
}

// setInterfaces takes what has changed of the network interfaces. One that is gone ends at the
// next tick. Names that are no valid label values are changed.
func (a *Aggregator) setInterfaces(rows []input.Interface, r input.Refresh) {
	is := &a.interfaces
	is.begin(r)
	for i := range rows {
		switch s := a.findInterface(&rows[i]); {
		case s == nil:
		case rows[i].Gone:
			s.present = false
		default:
			s.now, s.present, s.old = rows[i].Values, true, false
		}
	}
	is.end(r)
}

// findInterface returns the interface of a row, which is added where it is new and there is
// room: processes that died before their first refresh ended may have left as many as there can
// be, and the topology bounds those of this one. nil: there is none.
func (a *Aggregator) findInterface(row *input.Interface) *interfaceState {
	is := &a.interfaces
	s := is.byLabels[InterfaceLabels{ // allocates nothing
		Name: string(row.Name), Host: string(row.Host), Type: string(row.Type),
		IPv4: string(row.IPv4), IPv6: string(row.IPv6), NodeTID: string(row.NodeTID),
	}]
	if s != nil {
		return s
	}
	labels := a.interfaceLabels(row)
	if s = is.byLabels[labels]; s != nil || row.Gone || a.cfg.MaxNames > 0 && len(is.list) >= 2*a.cfg.MaxNames {
		return s
	}
	s = &interfaceState{labels: labels}
	is.byLabels[labels], is.list = s, append(is.list, s)
	return s
}

// interfaceLabels returns the labels of a row as receivers accept them.
func (a *Aggregator) interfaceLabels(row *input.Interface) InterfaceLabels {
	fit := func(name []byte) string {
		value, changed := label.Fit(string(name))
		if changed {
			a.metrics.changedValues.Inc()
		}
		return value
	}
	return InterfaceLabels{
		Name: fit(row.Name), Host: fit(row.Host), Type: fit(row.Type), NodeTID: fit(row.NodeTID),
		IPv4: string(label.AppendUTF8(nil, row.IPv4)), IPv6: string(label.AppendUTF8(nil, row.IPv6)),
	}
}

// begin is to be called before the rows of an entry.
func (is *interfaces) begin(r input.Refresh) {
	if r.Whole {
		is.whole = true
		for _, s := range is.list {
			s.old = true
		}
	}
}

// end is to be called after the rows of an entry.
func (is *interfaces) end(r input.Refresh) {
	if !r.End || !is.whole {
		return
	}
	is.whole = false
	for _, s := range is.list {
		s.present = s.present && !s.old
	}
}

// endAll ends every series; see [Aggregator.LeftToEnd]. Those of interfaces that are still there
// begin again afterwards.
func (is *interfaces) endAll() (left int) {
	for _, s := range is.list {
		if s.phase == live || s.phase == closing {
			s.ending = true
			left++
		}
	}
	return left
}

// sample returns the points of all interfaces at a tick; they are valid until the next one.
func (is *interfaces) sample(latest int) []InterfacePoint {
	is.removeEnded()
	points := slices.Grow(is.points[:0], len(is.list))
	for _, s := range is.list {
		if s.phase == ended {
			s.phase = fresh
		}
		if s.phase == fresh && is.ending {
			s.sampled[latest], s.live[latest] = [InterfaceMetrics]uint64{}, false
			continue
		}
		if s.phase == closing || (s.phase == live && !s.ending && !s.present) {
			points = append(points, InterfacePoint{InterfaceRow: InterfaceRow{s.labels, s.sampled[1-latest]}, End: true})
			s.phase, s.ending = ended, false
			s.sampled[latest], s.live[latest] = [InterfaceMetrics]uint64{}, false
			continue
		}
		s.sampled[latest], s.live[latest], s.phase = s.now, true, live
		if s.ending {
			s.phase = closing
		}
		points = append(points, InterfacePoint{InterfaceRow: InterfaceRow{s.labels, s.now}})
	}
	is.points, is.ending = points, false
	return points
}

// removeEnded removes interfaces that have left and whose stale markers were sampled, or that
// were never sampled.
func (is *interfaces) removeEnded() {
	is.list = slices.DeleteFunc(is.list, func(s *interfaceState) bool {
		if s.present || s.phase != ended && s.phase != fresh {
			return false
		}
		delete(is.byLabels, s.labels)
		return true
	})
}

// ScrapeInterfaces appends the interfaces to dst as the latest published tick sampled them,
// sorted by host, name and the other labels.
func (a *Aggregator) ScrapeInterfaces(dst []InterfaceRow) []InterfaceRow {
	from := len(dst)
	a.mu.Lock()
	dst = slices.Grow(dst, len(a.interfaces.list))
	for _, s := range a.interfaces.list {
		if shown := a.samples.shown; s.live[shown] {
			dst = append(dst, InterfaceRow{s.labels, s.sampled[shown]})
		}
	}
	a.mu.Unlock()
	slices.SortFunc(dst[from:], func(x, y InterfaceRow) int { return x.compare(y.InterfaceLabels) })
	return dst
}

func (l InterfaceLabels) compare(o InterfaceLabels) int {
	return cmp.Or(cmp.Compare(l.Host, o.Host), cmp.Compare(l.Name, o.Name), cmp.Compare(l.NodeTID, o.NodeTID),
		cmp.Compare(l.Type, o.Type), cmp.Compare(l.IPv4, o.IPv4), cmp.Compare(l.IPv6, o.IPv6))
}
