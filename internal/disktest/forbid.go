// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disktest

import (
	"io/fs"

	"github.com/skydive-project/skybridge/disk"
)

// Forbidding is a file system on which one file belongs to somebody else: it cannot be
// opened.
type Forbidding struct {
	disk.FS
	Name string
}

// Open implements disk.FS.
func (f Forbidding) Open(name string) (disk.File, error) {
	if name == f.Name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return f.FS.Open(name)
}
