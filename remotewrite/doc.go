// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package remotewrite gets samples to receivers: a [Sender] carries a [queue.Log] of
// ticks to any number of them by remote-write, each at its own pace.
//
// A tick is everything that was sampled at one moment. It is two groups, the
// zeros that counters begin with and then values and stale markers; a group is
// a list of blocks; a block is up to [wire.MaxBlockSamples] samples in the form of
// a remote-write 2.0 request. No group holds two samples of one series, so the
// requests of a group go out in parallel and in any order, and the next group
// starts when each of them has its final answer. Order therefore holds without
// hashing series to senders, and a request whose fate is unknown can be sent
// again as it was: it is the newest that its series have.
//
// Blocks go to receivers of 2.0 as they are. For those of 1.0 each is encoded again.
//
//	Log.Begin → TickBuilder → Log.Append → Cursor → endpoint → group → sender → client
//
// The package knows neither what the samples mean nor where its settings come
// from.
package remotewrite
