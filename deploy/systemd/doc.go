// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package systemd holds the units of the service, and the tests that hold them to
// what they promise.
package systemd
