// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package wire is the codec of remote-write: a [Builder] makes [Block]s of samples, a
// [Reader] reads them back, and an [Encoder] makes request bodies of 1.0 and 2.0 of them.
//
// A block is a remote-write 2.0 request, compressed, so that one goes to a receiver of
// 2.0 as it is. The package knows nothing of where blocks are kept or sent.
package wire
