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
// Their numbers are the kernel's, cumulative since the interface came up, and sampled as
// they are: without a zero, for it is not known when they began. They are not durable: after
// a restart a series continues, and the series of an interface that was removed meanwhile
// gets no stale marker.
//
// They have a lock of their own, which is never held together with the aggregator's: setting
// all of them takes longer than flows should wait for a lock.
type interfaces struct {
	mu       sync.Mutex
	byLabels map[InterfaceLabels]*interfaceState
}

type interfaceState struct {
	sampled [2][InterfaceMetrics]uint64 // at the latest two ticks; see samplePair
	live    [2]bool                     // it had values at that tick, not stale markers
	now     [InterfaceMetrics]uint64
	present bool // among those of the latest [Aggregator.SetInterfaces]
	phase   phase
	ending  bool
}

// SetInterfaces sets all interfaces and their numbers. Missing ones end at the next tick.
// Where labels repeat, the last row counts. Names that are no valid label values are
// changed. The slice is not retained.
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
			if value, changed := fitValue(*name); changed {
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

// endAll ends every series; see [Aggregator.EndAll]. Those of interfaces that are still there
// begin again afterwards.
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

// sample returns the points of all interfaces at a tick.
func (is *interfaces) sample(latest int) []InterfacePoint {
	is.mu.Lock()
	defer is.mu.Unlock()
	points := make([]InterfacePoint, 0, len(is.byLabels))
	for labels, s := range is.byLabels {
		if s.phase == ended || s.phase == fresh {
			if !s.present { // or it was removed before it was sampled
				delete(is.byLabels, labels)
				continue
			}
			s.phase = fresh
		}
		if s.phase == closing || (s.phase == live && !s.ending && !s.present) {
			points = append(points, InterfacePoint{InterfaceRow: InterfaceRow{labels, s.sampled[1-latest]}, End: true})
			s.phase, s.ending, s.live[latest] = ended, false, false
			continue
		}
		s.sampled[latest], s.live[latest], s.phase = s.now, true, live
		if s.ending {
			s.phase = closing
		}
		points = append(points, InterfacePoint{InterfaceRow: InterfaceRow{labels, s.now}})
	}
	return points
}

// ScrapeInterfaces appends the interfaces to dst as the latest published tick sampled them,
// sorted by host, name and the other labels.
func (a *Aggregator) ScrapeInterfaces(dst []InterfaceRow) []InterfaceRow {
	from := len(dst)
	a.mu.Lock()
	shown := a.samples.shown
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
