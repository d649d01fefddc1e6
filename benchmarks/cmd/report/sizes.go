// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "time"

// sizes are how much of everything a run measures with.
type sizes struct {
	repeats int
	// decodeFlows is how many flows each side decodes at least.
	decodeFlows int
	// ingestConnections report ingestRounds times, after a first report that is not
	// counted: it makes them known.
	ingestConnections, ingestRounds int
	// memoryConnections are live for memoryFor with everything on; oldConnections in
	// the old connector, which would not fit otherwise; retained are flows without a
	// tuple of their own.
	memoryConnections, oldConnections, retained int
	memoryFor                                   time.Duration
	// A page of scrapeConnections, five series each, is written so many times.
	scrapeConnections, scrapes int
	// pushTicks of pushConnections are sent, a tick each pushInterval, after pushWarm
	// that do not count.
	pushConnections, pushTicks, pushWarm int
	pushInterval                         time.Duration
	// farConnections are pushed each second; farBacklog ticks wait when the receiver
	// comes back, and farSteady is how long it is watched after that.
	farConnections, farBacklog int
	farSteady                  time.Duration
	// churnConnections are replaced every 5 minutes, for so many hours.
	churnConnections, churnHours int
	// growth are the numbers of connections between which cost must not grow.
	growth []int
}

// fullSizes are those of the bars.
func fullSizes() sizes {
	return sizes{
		decodeFlows:       1_000_000,
		ingestConnections: 100_000, ingestRounds: 10,
		memoryConnections: 1_000_000, oldConnections: 100_000, retained: 1_000_000, memoryFor: 150 * time.Second,
		scrapeConnections: 50_000, scrapes: 10,
		pushConnections: 100_000, pushTicks: 6, pushWarm: 4, pushInterval: 4 * time.Second,
		farConnections: 66_667, farBacklog: 15, farSteady: 10 * time.Second,
		churnConnections: 100_000, churnHours: 24,
		growth: []int{10_000, 100_000, 1_000_000},
	}
}

// quickSizes are for a look while something is changed.
func quickSizes() sizes {
	return sizes{
		decodeFlows:       200_000,
		ingestConnections: 20_000, ingestRounds: 10,
		memoryConnections: 100_000, oldConnections: 20_000, retained: 100_000, memoryFor: 40 * time.Second,
		scrapeConnections: 50_000, scrapes: 3,
		pushConnections: 20_000, pushTicks: 4, pushWarm: 4, pushInterval: 2 * time.Second,
		farConnections: 20_000, farBacklog: 6, farSteady: 4 * time.Second,
		churnConnections: 10_000, churnHours: 3,
		growth: []int{10_000, 30_000, 100_000},
	}
}
