// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package former

import (
	"time"

	"github.com/skydive-project/skybridge/disk"
)

// Records returns the records of a file.
func Records(system disk.FS, name string) (all []byte) {
	_, _ = readFile(system, name, func(records []byte, _ time.Duration) error {
		all = append(all, records...)
		return nil
	})
	return all
}

// OfRecords is the state that records make in two frames, nil where they make none. Numbers are
// small.
func OfRecords(records []byte) *State {
	r := newReplay()
	r.limit = 1 << 13
	half := len(records) / 2
	if r.frame(records[:half], time.Second) != nil || r.frame(records[half:], time.Minute) != nil {
		return nil
	}
	if _, reason := r.matchLog(r.Latest.Before); reason != "" || r.contradictions() > 0 {
		return nil
	}
	r.Listeners, r.ListenerHand = r.listeners.State()
	r.Continues, r.LastTick = true, r.Latest.At
	return &r.State
}
