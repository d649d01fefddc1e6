// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"math/rand/v2"
	"slices"
	"time"
)

// kind is something that goes wrong, or that an operator does.
type kind string

const (
	receiverDown    kind = "receiver down"    // connections are refused
	receiverSlow    kind = "receiver slow"    // up to and beyond the sender's patience
	receiverErrors  kind = "receiver errors"  // 5xx and 429, some of what is refused is stored
	receiverResets  kind = "receiver resets"  // in mid-body, or instead of the answer
	receiverEchoes  kind = "receiver echoes"  // refuses for the moment, with the request that it got
	receiverMoves   kind = "receiver moves"   // redirects to another host, which is none
	receiverSmall   kind = "receiver small"   // 413 to all but small requests
	receiverVersion kind = "receiver version" // another release, which speaks one version only
	tokensHang      kind = "tokens hang"      // the token endpoint accepts and never answers
	tokensRefused   kind = "tokens refused"   // it refuses, with the request that it got
	analyzerRestart kind = "analyzer restart" // gone, and back without subscribers
	analyzerCut     kind = "analyzer cut"     // the connection ends without a word
	silentFeed      kind = "silent feed"      // pings continue, the subscription is forgotten
	repeated        kind = "repeated reports" // flows are reported again as they were
	reload          kind = "reload"           // of what does not concern series
	rename          kind = "rename"           // a reload that gives series other labels
	kill            kind = "kill"             // kill -9, and a start
	stop            kind = "stop"             // SIGTERM, and a start
	renamedStart    kind = "renamed start"    // SIGTERM, other labels, and a start
	powerLoss       kind = "power loss"       // what was not synced is gone; in a process of our own only
)

// The mixes. A kind that stands there twice comes twice as often.
//
// surroundings is what happens to a bridge that lives on.
func surroundings() []kind {
	return []kind{
		receiverDown, receiverSlow, receiverErrors, receiverResets, receiverDown,
		receiverEchoes, receiverMoves, receiverSmall, receiverVersion, receiverVersion, tokensHang, tokensRefused,
		analyzerRestart, analyzerCut, silentFeed, repeated, reload, rename,
	}
}

// forProcess is the mix for the binary in a process of its own.
func forProcess() []kind {
	return append(surroundings(), kill, kill, kill, stop, stop, renamedStart)
}

// forPower is the mix for a bridge whose machine loses power.
func forPower() []kind {
	return append(surroundings(), powerLoss, powerLoss, powerLoss, stop)
}

// event is something that happens at a time of a run.
type event struct {
	kind   kind
	at     time.Duration // since the run's begin
	lasts  time.Duration // until it is undone
	target int           // which receiver or analyzer
}

// targets is how many receivers there are, and how many analyzers.
const targets = 2

// plan draws n events for a run of the given length. Each kind of the mix comes
// once before any comes again.
func plan(rng *rand.Rand, mix []kind, n int, length time.Duration) []event {
	var events []event
	var bag []kind
	cuts := [targets]int{}
	silences := 0
	for len(events) < n {
		if len(bag) == 0 {
			bag = slices.Clone(mix)
			rng.Shuffle(len(bag), func(i, j int) { bag[i], bag[j] = bag[j], bag[i] })
		}
		e := event{
			kind:   bag[0],
			at:     upTo(rng, length),
			lasts:  200*time.Millisecond + upTo(rng, 1300*time.Millisecond),
			target: rng.IntN(targets),
		}
		bag = bag[1:]
		switch e.kind {
		case analyzerRestart, analyzerCut:
			// Each failure doubles the wait before the next attempt.
			if cuts[e.target]++; cuts[e.target] > 1+int(length/(20*time.Second)) {
				e.kind = repeated
			}
		case silentFeed:
			// It takes the bridge more than 10 s to be sure of it.
			if silences++; silences > 1+int(length/(20*time.Second)) {
				e.kind = repeated
			} else if length < 20*time.Second {
				e.at /= 25
			}
		case receiverSlow, receiverErrors, receiverResets, receiverEchoes, receiverMoves, receiverSmall, receiverVersion, tokensHang, tokensRefused:
			e.lasts += time.Second // to meet a tick or two
		}
		events = append(events, e)
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	return events
}

// upTo draws a time below d.
func upTo(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(d)))
}
