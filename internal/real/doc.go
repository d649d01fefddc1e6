// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package real holds the tests that need parts of Debian: servers as their
// packages install them. They carry the build tag real, and a part that is
// missing is a failure.
package real
