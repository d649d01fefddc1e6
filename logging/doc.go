// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package logging keeps the log from harming the process: what is logged never waits
// for a reader (see [Writer]), and what can repeat without end is rate-limited (see
// [RateLimited]).
package logging
