// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"slices"
	"sync"
)

// interfaces holds what Skydive's topology says of network interfaces.
//
// Their numbers are the kernel's, cumulative since the interface came up: they are
// sampled as they are. A counter that ran before anybody looked has no beginning
// to tell of, so none begins with a zero. Nothing of this is durable: what is
// there after a restart goes on with its number, and what went meanwhile has no
// stale marker, so that a receiver drops it after its lookback.
//
// They share nothing with flows, and have a lock of their own, taken under no other:
// all of them at once are too many for the one that flows wait for.
type interfaces struct {
	mu       sync.Mutex
	byLabels map[InterfaceLabels]*interfaceState
}

type interfaceState struct {
	sampled [2][InterfaceMetrics]uint64 // by side, see [Aggregator.side]
	live    [2]bool                     // it had values at that tick, not stale markers
	now     [InterfaceMetrics]uint64
	present bool // among those of the latest [Aggregator.SetInterfaces]
	phase   phase
	ending  bool
}

// SetInterfaces says which interfaces there are, and their numbers. Those that
// are missing end at the next tick. The slice is not retained. Labels may not
// repeat; of those that do the last one holds. Names are made to fit a label.
func (a *Aggregator) SetInterfaces(rows []InterfaceRow) {
	a.hold.RLock()
	defer a.hold.RUnlock()
	is := &a.interfaces
	is.mu.Lock()
	defer is.mu.Unlock()
	for _, s := range is.byLabels {
		s.present = false
	}
	for i := range rows {
		labels := rows[i].InterfaceLabels
		for _, name := range []*string{&labels.Name, &labels.Host, &labels.Type, &labels.NodeTID} {
			if value, changed := fitted(*name); changed {
				*name = value
				a.metrics.changedValues.Inc()
			}
		}
		s := is.byLabels[labels]
		if s == nil {
			s = &interfaceState{}
			is.byLabels[labels] = s
		}
		s.now, s.present = rows[i].Values, true
	}
}

// endAll makes every series end, as [Aggregator.EndAll] says; what was never sampled
// has none. Those of interfaces that are still there begin again afterwards.
func (is *interfaces) endAll() (left int) {
	is.mu.Lock()
	defer is.mu.Unlock()
	for _, s := range is.byLabels {
		if s.phase == live || s.phase == closing {
			s.ending = true
			left++
		}
	}
	return left
}

// sample returns the points of all interfaces at a tick, which is that of the
// given side.
func (is *interfaces) sample(side int) []InterfacePoint {
	is.mu.Lock()
	defer is.mu.Unlock()
	points := make([]InterfacePoint, 0, len(is.byLabels))
	for labels, s := range is.byLabels {
		if s.phase == ended || s.phase == fresh {
			if !s.present { // or it went before it was ever sampled
				delete(is.byLabels, labels)
				continue
			}
			s.phase = fresh
		}
		if s.phase == closing || (s.phase == live && !s.ending && !s.present) {
			points = append(points, InterfacePoint{InterfaceRow: InterfaceRow{labels, s.sampled[1-side]}, End: true})
			s.phase, s.ending, s.live[side] = ended, false, false
			continue
		}
		s.sampled[side], s.live[side], s.phase = s.now, true, live
		if s.ending {
			s.phase = closing
		}
		points = append(points, InterfacePoint{InterfaceRow: InterfaceRow{labels, s.now}})
	}
	return points
}

// ScrapeInterfaces appends the interfaces to dst as the latest published tick
// sampled them, sorted by host, name and what else tells them apart.
func (a *Aggregator) ScrapeInterfaces(dst []InterfaceRow) []InterfaceRow {
	from := len(dst)
	a.mu.Lock()
	shown := a.side.shown
	a.mu.Unlock()
	a.interfaces.mu.Lock()
	for labels, s := range a.interfaces.byLabels {
		if s.live[shown] {
			dst = append(dst, InterfaceRow{labels, s.sampled[shown]})
		}
	}
	a.interfaces.mu.Unlock()
	slices.SortFunc(dst[from:], func(x, y InterfaceRow) int { return x.compare(y.InterfaceLabels) })
	return dst
}

func (l InterfaceLabels) compare(o InterfaceLabels) int {
	return cmp.Or(cmp.Compare(l.Host, o.Host), cmp.Compare(l.Name, o.Name), cmp.Compare(l.NodeTID, o.NodeTID),
		cmp.Compare(l.Type, o.Type), cmp.Compare(l.IPv4, o.IPv4), cmp.Compare(l.IPv6, o.IPv6))
}
