// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// Numbered is a file that is named by a number, which is never 0.
type Numbered struct {
	Number uint64
	Name   string // with its directory
	Size   int64
}

// NumberedName is what the file of a number is called, with its directory. Names sort as their
// numbers do.
func NumberedName(dir string, number uint64, suffix string) string {
	return filepath.Join(dir, fmt.Sprintf("%020d", number)+suffix)
}

// ListNumbered returns the files of a directory, which need not exist, that have such names, in
// their order. It removes those that a killed process has left incomplete ([NewSuffix]).
func ListNumbered(system FS, dir, suffix string) (files []Numbered, err error) {
	entries, err := system.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name, suffix+NewSuffix) {
			_ = system.Remove(filepath.Join(dir, e.Name)) // what is in the way shows when it is replaced
			continue
		}
		base, _ := strings.CutSuffix(e.Name, suffix)
		n, _ := strconv.ParseUint(base, 10, 64)
		if name := NumberedName(dir, n, suffix); n != 0 && filepath.Base(name) == e.Name {
			files = append(files, Numbered{n, name, e.Size})
		}
	}
	return files, nil
}
