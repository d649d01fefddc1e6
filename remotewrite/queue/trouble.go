// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

// Parts of a durable log that can fail by themselves.
const (
	partLog     = "log"
	partCursors = "cursors"
)

// noteTrouble records how the last attempt at a part ended, and logs where the disk
// begins to fail or has recovered.
func (l *Log) noteTrouble(part string, err error) {
	changed, now := l.store.trouble.Note(part, err)
	switch {
	case changed && now != nil:
		l.logger.Error("the disk is failing: ticks are kept in memory, and a crash now would lose them; exactness is suspended", "err", now)
	case changed:
		l.logger.Info("the disk works again: ticks are durable")
	}
}

// Trouble says what is wrong with the disk of a durable log, nil: nothing. While
// there is something, ticks are kept in memory, and a crash would lose them.
func (l *Log) Trouble() error {
	if l.store == nil {
		return nil
	}
	return l.store.trouble.Err()
}
