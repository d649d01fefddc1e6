// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import "github.com/skydive-project/skybridge/remotewrite/queue"

// Resume is Apply for a process that continues the series of the one before it.
// Those run under the names of that process, which a durable log remembers: so
// these stay in force, both the log's external labels ([Log.ExternalLabels]) and
// what each endpoint that stays makes of the series, for ticks that are appended
// from now on; everything else in p holds at once.
//
// It returns whether p, or the external labels that the log was opened with,
// give other names. Then what follows is the same as at a reload: the caller ends
// all series, under the names that they have, and calls [Sender.Apply] and
// [Log.SetExternalLabels] with its configuration before it starts them again. To do
// so in any case is right as well. Until then, Renames tells the same of the
// endpoints. Where nothing is remembered, as in memory, Resume is Apply.
func (s *Sender) Resume(p *Endpoints) (renames bool, err error) {
	return s.apply(p, true)
}

// Renames says whether Apply would give other names to the series of an endpoint
// that stays. The ticks that are in the log by then keep the old ones; so the
// caller ends all series before it calls Apply, and starts them again after it.
func (s *Sender) Renames(cfgs []EndpointConfig) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.live.all() {
		inForce, _ := s.log.NamesInForce(e.hash)
		for i := range cfgs {
			if cfgs[i].identity() == e.id && cfgs[i].naming() != inForce {
				return true
			}
		}
	}
	return false
}

// namesOf returns the names that the settings give.
func namesOf(wanted []*settings) map[queue.Hash]string {
	names := make(map[queue.Hash]string, len(wanted))
	for _, s := range wanted {
		names[queue.HashOf([]byte(s.cfg.identity()))] = s.cfg.naming()
	}
	return names
}
