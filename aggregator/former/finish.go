// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package former

// undo undoes the latest tick: what it began has not begun, and what it ended has its stale
// markers still to come.
func (r *replay) undo() {
	undo := func(c *Incarnation) {
		if c.Phase != Live && c.Phase != Closing {
			return
		}
		c.Ending = c.Ending || c.Phase == Closing
		if c.Phase = Live; r.Latest.Zero != 0 && c.Start == r.Latest.Zero {
			c.Phase, c.Start = Fresh, 0
		}
	}
	for n := range r.Connections {
		i, c := uint32(n), &r.Connections[n]
		final, ended := r.ended[i]
		switch {
		case !c.Used:
			continue
		case !ended:
			undo(&c.Incarnation)
			continue
		case c.Phase != Ended: // it has returned since
			waiting := r.Deferred[i]
			for d := range waiting.Bytes {
				waiting.Bytes[d] += c.Bytes[d]
				waiting.Packets[d] += c.Packets[d]
			}
			r.Deferred[i] = waiting
		}
		c.Counts, c.RTT, c.Demoted = final.Counts, final.RTT, final.Demoted
		c.Incarnation = Incarnation{Start: final.Start, Phase: Closing}
	}
	for _, c := range r.Captures {
		if start, ended := r.endedCaptures[c.ID]; ended && c.Phase == Ended {
			c.Phase, c.Start = Closing, start
		} else {
			undo(&c.Incarnation)
		}
	}
	r.Latest.At = r.Latest.Before
	clear(r.ended)
	clear(r.endedCaptures)
}

// contradictions is how many records refer to what there is not, or are there twice.
func (r *replay) contradictions() (n int) {
	origins, connections := map[[2]string]bool{}, map[string]bool{}
	for i, s := range r.Origins {
		if s == nil {
			continue
		}
		if s.Clock == nil { // of a version that knew of no generations
			s.AlignedEpoch = s.Epoch
		}
		if key := [2]string{s.NodeTID, s.CaptureID}; origins[key] {
			r.Origins[i] = nil
			n++
		} else {
			origins[key] = true
		}
	}
	hasOrigin := func(id uint32) bool { return int(id) < len(r.Origins) && r.Origins[id] != nil }
	members := make([]int, len(r.Conversations)+1)
	for i := range r.Baselines {
		switch b := &r.Baselines[i]; {
		case !b.Used:
		case !hasOrigin(b.Origin):
			n++
		case b.Shared == 0:
		case int(b.Shared) >= len(members) || !r.Conversations[b.Shared-1].Used || b.Conversation == 0:
			n++
		default:
			if members[b.Shared]++; b.Observed && r.Conversations[b.Shared-1].observer(b.Origin) < 0 {
				n++
			}
		}
	}
	for i := range r.Conversations {
		g := &r.Conversations[i]
		whole := members[i+1] > 0 && (len(g.Observers) == 0 || g.observer(g.Primary) >= 0)
		for j := range g.Observers {
			whole = whole && hasOrigin(g.Observers[j].Origin)
		}
		if g.Used && !whole {
			n++
		}
	}
	waiting := len(r.Deferred)
	for i := range r.Connections {
		c := &r.Connections[i]
		if c.Used && connections[c.Values] {
			c.Used = false
			n++
		}
		if !c.Used {
			continue
		}
		connections[c.Values] = true
		if _, ok := r.Deferred[uint32(i)]; ok {
			waiting--
		}
	}
	return n + waiting
}
