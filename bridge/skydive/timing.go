// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"math/rand/v2"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

// timing is what tests shorten.
type timing struct {
	minDelay, maxDelay time.Duration
	peer               time.Duration // without anything from the analyzer
	pong               time.Duration // for it to take one
	closing            time.Duration // for it to send its close frame
	stagger            time.Duration // between the first attempts at the addresses of names
	again              time.Duration // until names are looked up, and peers asked for, again
	duplicate          time.Duration // until an address of an analyzer that is read is tried again
	random             func() float64
}

func defaultTiming() timing {
	return timing{
		minDelay: minDelay, maxDelay: maxDelay,
		peer:    peerTimeout,
		pong:    5 * time.Second, // shorter than the 7.0 s after which the analyzer drops us
		closing: time.Second,
		stagger: 100 * time.Millisecond, again: access.LookUpInterval, duplicate: access.LookUpInterval,
		random: rand.Float64,
	}
}
