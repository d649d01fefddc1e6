// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"errors"
	"fmt"
	"io/fs"
)

// ErrGone says that a file which is written no longer has its name.
var ErrGone = errors.New("the file was deleted or replaced while it was in use; stop the bridge before its files are touched")

// Gone returns an error that wraps [ErrGone] where the name of a file that somebody
// has open, with size bytes in it, leads to no file any more, or to a shorter one:
// it was deleted, or an older copy was put in its place. What is written to such a
// file succeeds, and no process will ever read it. Other troubles are no answer: nil.
func Gone(system FS, name string, size int64) error {
	f, err := system.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", name, ErrGone)
	}
	if err != nil {
		return nil
	}
	found, err := f.Size()
	_ = f.Close() // it was not written
	if err == nil && found < size {
		return fmt.Errorf("%s: %w", name, ErrGone)
	}
	return nil
}
