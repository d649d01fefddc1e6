// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import "time"

const (
	// maxPortless bounds the flows without ports that are remembered, 50 bytes each.
	maxPortless = 1 << 17
	// portlessEnded is how long, at least, one that ended stays.
	portlessEnded = 2 * time.Minute
)

// knownFlows counts, by capture, the flows that records have come of, for
// comparison with what the capture's flow tables hold.
//
// Flows with ports have baselines, which are counted where they are indexed; those
// of flows that ended stay for longer than a flow.update, so that in a steady state
// they outnumber the flows of the tables that are in no update yet. Flows without
// ports are in the tables as well, and have no baseline: their names are kept here.
// Nothing of this is durable.
type knownFlows struct {
	// since is the feed time from which on no record can have been missed: idle
	// flows are not reported again until they end.
	since       time.Duration
	live, ended recentFlows // without ports
}

// recentFlows are flows seen during the last one to two spans of a given length.
type recentFlows struct {
	turned     time.Duration
	young, old map[portlessFlow]*capture
}

type portlessFlow struct {
	uuid    uint64
	capture uint32
}

func newKnownFlows() knownFlows {
	return knownFlows{live: newRecentFlows(), ended: newRecentFlows()}
}

func newRecentFlows() recentFlows {
	return recentFlows{young: map[portlessFlow]*capture{}, old: map[portlessFlow]*capture{}}
}

// portless takes a record of a flow without ports.
func (k *knownFlows) portless(f *Flow, src *source, feedNow time.Duration) {
	uuid, ok := parseUUID(f.UUID)
	if !ok || k.live.size()+k.ended.size() >= maxPortless {
		k.since = feedNow
		return
	}
	key := portlessFlow{uuid, src.capture.id}
	if f.FinishType == finishTimeout {
		k.live.remove(key)
		k.ended.add(key, src.capture)
	} else {
		k.live.add(key, src.capture)
	}
}

// turn forgets what has not been seen for retention, or ended long enough ago.
func (k *knownFlows) turn(feedNow, retention time.Duration) {
	k.live.turn(feedNow, retention)
	k.ended.turn(feedNow, portlessEnded)
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

func (r *recentFlows) turn(feedNow, keep time.Duration) {
	if feedNow-r.turned < keep {
		return
	}
	for _, c := range r.old {
		c.known--
	}
	r.turned, r.old, r.young = feedNow, r.young, map[portlessFlow]*capture{}
}

// knownOf returns how many flows of the capture are known; 0 where that says
// nothing: no record of the capture was heard, or the bridge has not listened for
// long enough. A flow leaves its table within flow_retention of its last update.
func (a *Aggregator) knownOf(captureID string, feedNow time.Duration) uint64 {
	c := a.sources.captures[captureID]
	if c == nil || feedNow-a.known.since < a.cfg.FlowRetention {
		return 0
	}
	return uint64(max(c.known, 0))
}
