// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"errors"
	"sync"
)

// Parts of a durable log that can be in trouble by themselves.
const (
	partLog = iota
	partCursors
	parts
)

// troubles is what is wrong with the disk.
type troubles struct {
	mu   sync.Mutex
	errs [parts]error
}

// note records how the last attempt at a part ended. The log says so where the
// whole changes.
func (t *troubles) note(l *Log, part int, err error) {
	t.mu.Lock()
	before := errors.Join(t.errs[:]...)
	t.errs[part] = err
	after := errors.Join(t.errs[:]...)
	t.mu.Unlock()
	switch {
	case before == nil && after != nil:
		l.logger.Error("the disk is in trouble: ticks are kept in memory, and a crash now would lose them; exactness is suspended", "err", after)
	case before != nil && after == nil:
		l.logger.Info("the disk is well again: ticks are durable")
	}
}

func (t *troubles) in(part int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.errs[part] != nil
}

// Trouble says what is wrong with the disk of a durable log, nil: nothing. While
// there is something, ticks are kept in memory, and a crash would lose them.
func (l *Log) Trouble() error {
	if l.store == nil {
		return nil
	}
	l.store.troubles.mu.Lock()
	defer l.store.troubles.mu.Unlock()
	return errors.Join(l.store.troubles.errs[:]...)
}
