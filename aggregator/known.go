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
	young, old map[portlessFlow]*capture
}

type portlessFlow struct {
	uuid    uint64
	capture uint32
}

func newRecentFlows() recentFlows {
	return recentFlows{young: map[portlessFlow]*capture{}, old: map[portlessFlow]*capture{}}
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
		k.ended.add(key, from.capture)
	} else {
		k.live.add(key, from.capture)
	}
}

// rotate removes flows that were not reported for retention, and ended ones after
// portlessEnded.
func (k *knownFlows) rotate(feedNow, retention time.Duration) {
	k.live.rotate(feedNow, retention)
	k.ended.rotate(feedNow, portlessEnded)
}

func (r *recentFlows) size() int { return len(r.young) + len(r.old) }

func (r *recentFlows) add(f portlessFlow, c *capture) {
	if _, ok := r.young[f]; ok {
		return
	}
	r.remove(f)
	r.young[f] = c
	c.known++
}

func (r *recentFlows) remove(f portlessFlow) {
	for _, flows := range []map[portlessFlow]*capture{r.young, r.old} {
		if c, ok := flows[f]; ok {
			c.known--
			delete(flows, f)
		}
	}
}

func (r *recentFlows) rotate(feedNow, keep time.Duration) {
	if feedNow-r.rotated < keep {
		return
	}
	for _, c := range r.old {
		c.known--
	}
	r.rotated, r.old, r.young = feedNow, r.young, map[portlessFlow]*capture{}
}

// knownOf returns how many flows of a capture are known; 0 where there was no record of the
// capture, or the feed has not been complete for flow_retention, within which a flow leaves
// its table after its last update.
func (a *Aggregator) knownOf(captureID string, feedNow time.Duration) uint64 {
	c := a.origins.captures[captureID]
	if c == nil || feedNow-a.known.since < a.cfg.FlowRetention {
		return 0
	}
	return uint64(max(c.known, 0))
}
