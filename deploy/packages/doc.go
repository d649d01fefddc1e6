// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package packages holds what the .deb and .rpm packages are made of, and the tests
// that install them.
package packages
