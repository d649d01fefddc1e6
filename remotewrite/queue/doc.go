// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package queue is the log of ticks: what was sampled, in memory or on disk, until
// every endpoint has it.
//
// [Open] gives a [Log]. [Log.Begin] and [Log.Append] put a tick behind the others; a
// [Cursor] for each endpoint takes them in order ([Cursor.Take]), says which groups of
// one were answered ([Cursor.Answered]) and when all were ([Cursor.Done]). The log is
// bounded by bytes and age: what ended in its oldest ticks is kept longer than the
// rest of them (compact.go), and what is too old for an endpoint is given to it as a
// batch of what ended (condense.go). What a cursor has lost it says when asked
// ([Cursor.Outcome]).
//
// The package knows no receiver: an endpoint is an identity, and what it wants kept
// beside its cursor is opaque. It makes no calls back under a lock.
package queue
