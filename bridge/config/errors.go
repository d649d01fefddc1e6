// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
)

// Error is one thing wrong with a configuration file. It holds no secret.
type Error struct {
	// File is the name that was given to [Parse] or [Load].
	File string
	// Line counts from 1; 0 where the file as a whole is meant.
	Line int
	// What is wrong, and what to do about it.
	What, Remedy string
}

// Error returns "file:line: what: remedy", without what is empty.
func (e *Error) Error() string {
	s := place(e.File, e.Line) + e.What
	if e.Remedy != "" {
		s += ": " + e.Remedy
	}
	return s
}

// Errors are all that is wrong with a file, ordered by line.
type Errors struct{ List []*Error }

// maxErrorsShown bounds the text of [Errors]; a file of another kind altogether
// can have an error in each of its lines.
const maxErrorsShown = 50

// Error returns one line for each error.
func (e *Errors) Error() string {
	var b strings.Builder
	for i, err := range e.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == maxErrorsShown {
			fmt.Fprintf(&b, "… and %d more errors", len(e.List)-i)
			break
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

// Unwrap returns the single errors, for [errors.As].
func (e *Errors) Unwrap() []error {
	list := make([]error, len(e.List))
	for i, err := range e.List {
		list[i] = err
	}
	return list
}

// Warning is something that was accepted though it may not be what was meant.
// It holds no secret.
type Warning struct {
	File string
	Line int // from 1
	Text string
}

// String returns "file:line: text".
func (w Warning) String() string { return place(w.File, w.Line) + w.Text }

func place(file string, line int) string {
	switch {
	case file == "":
		return ""
	case line == 0:
		return file + ": "
	default:
		return fmt.Sprintf("%s:%d: ", file, line)
	}
}

// A reader collects what is found in one file.
type reader struct {
	name     string
	errs     []*Error
	warnings []Warning
	// listen wins over web.listen_address, where given.
	listen string
	// outside says that the file is of a unit of systemd's that this process is not.
	outside bool
	// taken are the labels that connections have, which others must not be called.
	taken []string
	// files are the files that the configuration names, as written.
	files []fileRef
}

// fail notes an error. A line of 0 means the file as a whole.
func (r *reader) fail(line int, what, remedy string) {
	r.errs = append(r.errs, &Error{File: r.name, Line: line, What: what, Remedy: remedy})
}

// warn notes a warning.
func (r *reader) warn(line int, text string) {
	r.warnings = append(r.warnings, Warning{File: r.name, Line: line, Text: text})
}

// result returns what was found, in the order of the file.
func (r *reader) result() ([]Warning, error) {
	slices.SortStableFunc(r.warnings, func(a, b Warning) int { return a.Line - b.Line })
	if len(r.errs) == 0 {
		return r.warnings, nil
	}
	slices.SortStableFunc(r.errs, func(a, b *Error) int { return a.Line - b.Line })
	return r.warnings, &Errors{List: r.errs}
}
