// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

// meter measures the CPU time between two moments and, where it has a name for files,
// takes profiles of it.
type meter struct {
	profile string
	file    *os.File
	was     time.Duration
	used    time.Duration
	err     error
}

func newMeter(profile string) *meter { return &meter{profile: profile} }

func (m *meter) begin() {
	if m.profile != "" {
		file, err := os.Create(m.profile + ".cpu.pprof")
		if err == nil {
			m.file, err = file, pprof.StartCPUProfile(file)
		}
		m.note(err)
	}
	m.was = m.cpu()
}

func (m *meter) end() {
	m.used = m.cpu() - m.was
	if m.file == nil {
		return
	}
	pprof.StopCPUProfile()
	m.note(m.file.Close())
	runtime.GC() // the heap's profile is of the latest collection
	file, err := os.Create(m.profile + ".heap.pprof")
	if err != nil {
		m.note(err)
		return
	}
	m.note(errors.Join(pprof.WriteHeapProfile(file), file.Close()))
}

func (m *meter) cpu() time.Duration {
	used, err := cpu()
	m.note(err)
	return used
}

func (m *meter) note(err error) {
	if err != nil {
		m.err = errors.Join(m.err, fmt.Errorf("measure: %w", err))
	}
}
