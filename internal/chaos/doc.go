// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package chaos holds the tests that break everything around a running bridge,
// and the bridge itself, in random order, and then compare what two receivers have
// with what was reported, to the byte.
//
// A run that fails logs the command that runs its seed again:
//
//	CHAOS_SEED=17 CHAOS_LENGTH=8s go test -count=1 -run '^TestChaos$' ./internal/chaos
package chaos
