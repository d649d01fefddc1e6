// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package leaks finds goroutines that tests leave behind.
package leaks

import (
	"os"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines have to end after the last test. Their work is
// done by then, but on a busy machine their turn may not have come: goleak alone
// waits for less than half a second.
const patience = 10 * time.Second

// Main runs the tests, then cleanup, which may be nil, and ends the process: with
// an error where a goroutine is left that the options do not ignore. It is all of a
// TestMain.
func Main(m goleak.TestingM, cleanup func(), options ...goleak.Option) {
	goleak.VerifyTestMain(patient{m, options}, append(options, goleak.Cleanup(func(code int) {
		if cleanup != nil {
			cleanup()
		}
		os.Exit(code)
	}))...)
}

type patient struct {
	goleak.TestingM
	options []goleak.Option
}

// Run implements [goleak.TestingM].
func (p patient) Run() int {
	code := p.TestingM.Run()
	for limit := time.Now().Add(patience); code == 0 && time.Now().Before(limit) && goleak.Find(p.options...) != nil; {
		// Find has waited a while already.
	}
	return code
}
