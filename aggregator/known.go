// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"time"

	"github.com/skydive-project/skybridge/input"
)

const (
	// maxPortless bounds the recent flows without ports, about 40 bytes each.
	maxPortless = 1 << 17
	// portlessEnded is how long, at least, an ended one stays.
	portlessEnded = 2 * time.Minute
)

// knownFlows counts the known flows of each capture, for comparison with the size of the
// capture's flow tables. Flows with ports have baselines. Baselines of ended flows stay for
// longer than a flow.update, so in a steady state they outnumber the flows that no update
// has reported yet. Flows without ports have no baselines and are kept here.
type knownFlows struct {
	// since is the feed time after which no record was missed: idle flows are not reported
	// again until they end.
	since   time.Duration
	records slab[portlessFlow]
	byKey   index
	spans   [2]recentSpan // of those that are live, and of those that have ended
	hand    uint32        // where the next look for those that are no longer recent begins
}

// recentSpan says which flows are recent: those of the present and the former span of some
// length.
type recentSpan struct {
	rotated time.Duration
	number  uint32 // of the present one
}

// portlessFlow is a flow without ports. It may be no longer recent.
type portlessFlow struct {
	uuid    uint64
	capture uint32
	span    uint32 // of its latest record
	ended   bool
	used    bool // false: a free record
}

// recentCount is how many of a capture's flows are recent. It is of the span in which it was
// used last.
type recentCount struct {
	span       uint32
	young, old int
}

// at brings the numbers to a span.
func (n *recentCount) at(span uint32) *recentCount {
	switch span - n.span {
	case 0:
	case 1:
		n.young, n.old = 0, n.young
	default:
		n.young, n.old = 0, 0
	}
	n.span = span
	return n
}

// portless counts a record of a flow without ports.
func (k *knownFlows) portless(f *input.Flow, from *origin, feedNow time.Duration) {
	k.removeOld(2)
	uuid, ok := parseUUID(f.UUID)
	if !ok {
		k.since = feedNow
		return
	}
	hash := k.byKey.hashNumber(uuid, from.capture.id)
	i := k.byKey.find(hash, func(i uint32) bool {
		p := k.records.peek(i)
		return p.uuid == uuid && p.capture == from.capture.id
	})
	switch {
	case i != none:
		k.count(k.records.at(i), from.capture, -1)
	case k.records.used >= maxPortless:
		k.since = feedNow
		return
	default:
		i = k.records.alloc()
		k.byKey.add(hash, i)
	}
	p := k.records.at(i)
	*p = portlessFlow{uuid: uuid, capture: from.capture.id, ended: f.FinishType == finishTimeout, used: true}
	p.span = k.spanOf(p).number
	k.count(p, from.capture, 1)
}

func (k *knownFlows) spanOf(p *portlessFlow) *recentSpan { return &k.spans[p.list()] }

// list is 0 for a live flow, 1 for an ended one.
func (p *portlessFlow) list() int {
	if p.ended {
		return 1
	}
	return 0
}

// count changes a capture's number of recent flows by one of them.
func (k *knownFlows) count(p *portlessFlow, c *capture, change int) {
	now := k.spanOf(p).number
	switch n := c.portless[p.list()].at(now); now - p.span {
	case 0:
		n.young += change
	case 1:
		n.old += change
	}
}

// removeOld removes the flows that are no longer recent among the next some.
func (k *knownFlows) removeOld(look uint32) {
	for range min(look, k.records.size) {
		k.hand = (k.hand + 1) % k.records.size
		if p := k.records.peek(k.hand); p.used && k.spanOf(p).number-p.span > 1 {
			k.byKey.remove(k.byKey.hashNumber(p.uuid, p.capture), k.hand)
			k.records.release(k.hand)
		}
	}
}

// rotate ends the spans that are over: retention, and portlessEnded of ended flows.
func (k *knownFlows) rotate(feedNow, retention time.Duration) {
	for i, keep := range [...]time.Duration{retention, portlessEnded} {
		if s := &k.spans[i]; feedNow-s.rotated >= keep {
			s.number++
			s.rotated = feedNow
		}
	}
}

// knownOf returns how many flows of a capture are known; 0 where there was no record of the
// capture, or the feed has not been complete for flow_retention, within which a flow leaves
// its table after its last update.
func (a *Aggregator) knownOf(captureID string, feedNow time.Duration) uint64 {
	c := a.origins.captures[captureID]
	if c == nil || feedNow-a.known.since < a.cfg.FlowRetention {
		return 0
	}
	n := c.known
	for i := range c.portless {
		recent := c.portless[i].at(a.known.spans[i].number)
		n += recent.young + recent.old
	}
	return uint64(n)
}
