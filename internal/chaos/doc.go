// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package chaos holds the tests that break everything around a running bridge,
// and the bridge itself, in random order, and then hold what two receivers have
// against what was reported, to the byte.
package chaos
