// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"github.com/prometheus/prometheus/model/labels"

	"github.com/skydive-project/skybridge/internal/receiver"
)

// Series is samples in order of time under their labels, __name__ included.
type Series struct {
	Labels  labels.Labels
	Samples []receiver.Sample
}

// Incarnation is one life of a counter, from its first sample to its stale
// marker or to the last sample before a reset.
type Incarnation struct {
	// Samples are its values, without the marker.
	Samples []receiver.Sample
	// Markers is how many stale markers stand at its end: 1 as a rule, 0 where it has not
	// ended.
	Markers int
}

// FromZero tells whether it began with an explicit zero, as DESIGN.md asks of
// every counter that a bridge begins.
func (i Incarnation) FromZero() bool { return len(i.Samples) > 0 && i.Samples[0].Value() == 0 }

// Ended tells whether a stale marker ended it.
func (i Incarnation) Ended() bool { return i.Markers > 0 }

// Incarnations splits a counter's raw samples, stale markers included, where
// the counter ended (a marker) or was reset (a value below the one before).
// Markers before the first value are left out.
func Incarnations(samples []receiver.Sample) []Incarnation {
	var lives []Incarnation
	for _, s := range samples {
		n := len(lives)
		if s.Stale() {
			if n > 0 {
				lives[n-1].Markers++
			}
			continue
		}
		if n == 0 || lives[n-1].Ended() || s.Value() < lives[n-1].Samples[len(lives[n-1].Samples)-1].Value() {
			lives = append(lives, Incarnation{})
			n++
		}
		lives[n-1].Samples = append(lives[n-1].Samples, s)
	}
	return lives
}
