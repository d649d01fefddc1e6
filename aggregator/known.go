// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"time"

	"github.com/skydive-project/skybridge/input"
)

const (
	// maxPortless bounds the recent flows without ports, 50 bytes each.
	maxPortless = 1 << 17
	// portlessEnded is how long, at least, an ended one stays.
	portlessEnded = 2 * time.Minute
)

// knownFlows counts the known flows of each capture, for comparison with the size of the
// capture's flow tables. Flows with ports have baselines. Baselines of ended flows stay for
// longer than a flow.update, so in a steady state they outnumber the flows that no update
// has reported yet. Flows without ports have no baselines and are kept here, not durably.
type knownFlows struct {
	// since is the feed time after which no record was missed: idle flows are not reported
	// again until they end.
	since       time.Duration
	live, ended recentFlows // without ports
}

// recentFlows are flows of the last one to two spans of a given length.
type recentFlows struct {
	rotated    time.Duration
	span       uint32 // number of the present one
	young, old map[portlessFlow]*recentCount
}

type portlessFlow struct {
	uuid    uint64
	capture uint32
}

// recentCount is how many of a capture's flows are in the maps. It is of the span in which it
// was used last.
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

func newRecentFlows() recentFlows {
	return recentFlows{young: map[portlessFlow]*recentCount{}, old: map[portlessFlow]*recentCount{}}
}

// portless counts a record of a flow without ports.
func (k *knownFlows) portless(f *input.Flow, from *origin, feedNow time.Duration) {
	uuid, ok := parseUUID(f.UUID)
	if !ok || k.live.size()+k.ended.size() >= maxPortless {
		k.since = feedNow
		return
	}
	key := portlessFlow{uuid, from.capture.id}
	if f.FinishType == finishTimeout {
		k.live.remove(key)
		k.ended.add(key, &from.capture.portlessEnded)
	} else {
		k.live.add(key, &from.capture.portlessLive)
	}
}

// rotate removes flows that were not reported for retention, and ended ones after
// portlessEnded.
func (k *knownFlows) rotate(feedNow, retention time.Duration) {
	k.live.rotate(feedNow, retention)
	k.ended.rotate(feedNow, portlessEnded)
}

func (r *recentFlows) size() int { return len(r.young) + len(r.old) }

func (r *recentFlows) add(f portlessFlow, n *recentCount) {
	if _, ok := r.young[f]; ok {
		return
	}
	r.remove(f)
	r.young[f] = n
	n.at(r.span).young++
}

func (r *recentFlows) remove(f portlessFlow) {
	if n, ok := r.young[f]; ok {
		n.at(r.span).young--
		delete(r.young, f)
	}
	if n, ok := r.old[f]; ok {
		n.at(r.span).old--
		delete(r.old, f)
	}
}

func (r *recentFlows) rotate(feedNow, keep time.Duration) {
	if feedNow-r.rotated < keep {
		return
	}
	r.span++
	r.rotated, r.old, r.young = feedNow, r.young, map[portlessFlow]*recentCount{}
}

// count returns how many flows of a capture there are.
func (r *recentFlows) count(n *recentCount) int {
	n.at(r.span)
	return n.young + n.old
}

// knownOf returns how many flows of a capture are known; 0 where there was no record of the
// capture, or the feed has not been complete for flow_retention, within which a flow leaves
// its table after its last update.
func (a *Aggregator) knownOf(captureID string, feedNow time.Duration) uint64 {
	c := a.origins.captures[captureID]
	if c == nil || feedNow-a.known.since < a.cfg.FlowRetention {
		return 0
	}
	return uint64(c.known + a.known.live.count(&c.portlessLive) + a.known.ended.count(&c.portlessEnded))
}
