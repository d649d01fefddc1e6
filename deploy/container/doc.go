// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package container holds the image, a compose file, and the tests that hold them to
// each other and to the binary. No container runs there: what only an engine can say
// is not checked.
package container
