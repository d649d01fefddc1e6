// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"github.com/skydive-project/skybridge/aggregator/former"
)

// adopt continues from what a version left that kept a journal of changes, with a configuration
// that it may not have had. A release later it goes, with what it calls.
func (r *Replica) adopt(cfg Configuration) (*former.State, error) {
	s := r.store
	state, err := former.Read(s.FS, s.Former, s.LastTick)
	if err != nil || !state.Continues {
		return state, err
	}
	if err := r.Configure(cfg); err != nil {
		return nil, err
	}
	r.tick = state.Latest.At
	r.logger.Info("the state is of a version that kept it in another form: it is converted")
	return state, r.aggregator.Adopt(state)
}
