// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"slices"
	"sync"

	"github.com/skydive-project/skybridge/aggregator/label"
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
	list     []*interfaceState // the same, in the order in which they came
	ending   bool              // none begins; see [Aggregator.EndAll]
}

type interfaceState struct {
	labels  InterfaceLabels
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
	for _, s := range is.list {
		s.present = false
	}
	for i := range rows {
		labels := rows[i].InterfaceLabels
		for _, name := range []*string{&labels.Name, &labels.Host, &labels.Type, &labels.NodeTID} {
			if value, changed := label.Fit(*name); changed {
				*name = value
				a.metrics.changedValues.Inc()
			}
		}
		s := is.byLabels[labels]
		if s == nil {
			s = &interfaceState{labels: labels}
			is.byLabels[labels], is.list = s, append(is.list, s)
		}
		s.now, s.present = rows[i].Values, true
	}
}

// endAll ends every series; see [Aggregator.EndAll]. Those of interfaces that are still there
// begin again afterwards.
func (is *interfaces) endAll() (left int) {
	is.mu.Lock()
	defer is.mu.Unlock()
	for _, s := range is.list {
		if s.phase == live || s.phase == closing {
			s.ending = true
			left++
		}
	}
	return left
}

// setEnding says whether interfaces may begin.
func (is *interfaces) setEnding(ending bool) {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.ending = ending
}

// sample returns the points of all interfaces at a tick.
func (is *interfaces) sample(latest int) []InterfacePoint {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.removeEnded()
	points := make([]InterfacePoint, 0, len(is.list))
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
	shown := a.samples.shown
	a.mu.Unlock()
	a.interfaces.mu.Lock()
	for _, s := range a.interfaces.list {
		if s.live[shown] {
			dst = append(dst, InterfaceRow{s.labels, s.sampled[shown]})
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
