// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"crypto/sha256"

	"github.com/skydive-project/skybridge/bridge/config"
)

// A watch notices that the configuration file, or a file that it names, has another content
// than when it was loaded.
type watch struct {
	file           string
	loaded, looked [sha256.Size]byte // checksums at the latest load, and at the latest look
}

// loading notes the content that is about to be loaded. If that fails, the same content is
// not loaded again.
func (w *watch) loading() {
	if w != nil {
		w.loaded = config.Checksum(w.file)
	}
}

// changed looks whether the content is another one, the same as at the look before: a file
// can be missing or half-written while it is replaced.
func (w *watch) changed() bool {
	sum := config.Checksum(w.file)
	again := sum == w.looked
	w.looked = sum
	return sum != w.loaded && again
}
