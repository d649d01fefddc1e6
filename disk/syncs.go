// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import "time"

// MeasureSyncs returns system such that observe gets how long each sync of a file
// takes.
func MeasureSyncs(system FS, observe func(time.Duration)) FS { return measuredFS{system, observe} }

type measuredFS struct {
	FS
	observe func(time.Duration)
}

// Create implements FS.
func (m measuredFS) Create(name string) (File, error) { return m.file(m.FS.Create(name)) }

// Open implements FS.
func (m measuredFS) Open(name string) (File, error) { return m.file(m.FS.Open(name)) }

func (m measuredFS) file(f File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return measuredFile{f, m.observe}, nil
}

type measuredFile struct {
	File
	observe func(time.Duration)
}

// Sync implements File.
func (f measuredFile) Sync() error {
	began := time.Now()
	err := f.File.Sync()
	f.observe(time.Since(began))
	return err
}
