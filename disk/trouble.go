// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"errors"
	"maps"
	"slices"
	"sync"
)

// Trouble is what is wrong with the disk under some data. Its parts, such as a file
// that is written by itself, fail and recover each for itself. The zero value is
// ready, and safe for concurrent use.
type Trouble struct {
	mu   sync.Mutex
	errs map[string]error // by part
}

// Note records how the last attempt at a part ended. It returns whether with it the
// whole began to fail or has recovered, and what is wrong now.
func (t *Trouble) Note(part string, err error) (changed bool, now error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	failed := len(t.errs) > 0
	if err == nil {
		delete(t.errs, part)
	} else {
		if t.errs == nil {
			t.errs = make(map[string]error)
		}
		t.errs[part] = err
	}
	return failed != (len(t.errs) > 0), t.join()
}

// Of returns what is wrong with a part, nil: nothing.
func (t *Trouble) Of(part string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.errs[part]
}

// Err returns what is wrong with any part, nil: nothing.
func (t *Trouble) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.join()
}

func (t *Trouble) join() error {
	var errs []error
	for _, part := range slices.Sorted(maps.Keys(t.errs)) {
		errs = append(errs, t.errs[part])
	}
	return errors.Join(errs...)
}
