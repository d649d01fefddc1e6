// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package skydive is the analyzers' side of the bridge: it subscribes to their
// flow feeds, decodes what they send and hands it to a [Sink].
//
// A [Feed] keeps one connection to each analyzer. Readers put raw messages into
// one bounded queue and never wait: an analyzer whose subscriber does not read
// stalls for everybody. One goroutine decodes them and calls the sink, in the order
// of the queue. What the queue has no room for is dropped and counted, and Skydive's
// cumulative metrics make up for it at each flow's next update.
//
// Skydive's own client is not used: it hides HTTP status codes, has no
// read limit nor backoff, and its package brings the server's dependencies
// along. Its server is the peer in the tests.
package skydive
