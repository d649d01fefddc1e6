// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestGone proves that a file is missed where its name leads elsewhere, and that no
// other trouble is taken for that.
func TestGone(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(name string) error
		gone bool
	}{
		{"untouched", func(string) error { return nil }, false},
		{"longer", func(name string) error { return os.Truncate(name, 20) }, false},
		{"deleted", os.Remove, true},
		{"deleted with its directory", func(name string) error { return os.RemoveAll(filepath.Dir(name)) }, true},
		{"replaced by a shorter one", func(name string) error { return os.WriteFile(name, []byte("123"), fileMode) }, true},
		{"not to be opened", func(name string) error {
			return errors.Join(os.Remove(name), os.Symlink(filepath.Base(name), name)) // a loop
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "dir", "file")
			if err := errors.Join(os.Mkdir(filepath.Dir(name), dirMode), os.WriteFile(name, make([]byte, 10), fileMode), c.do(name)); err != nil {
				t.Fatal(err)
			}
			if err := Gone(OS{}, name, 10); errors.Is(err, ErrGone) != c.gone {
				t.Errorf("gone: %v, want %v", err, c.gone)
			}
		})
	}
}
