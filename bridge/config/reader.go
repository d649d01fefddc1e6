// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	commoncfg "github.com/prometheus/common/config"
)

// Error is one thing wrong with a configuration file. It holds no secret.
type Error struct {
	// File is the name that was given to [Load], or "environment".
	File string
	// Line counts from 1; 0 where the file as a whole is meant.
	Line int
	// What is wrong, and what to do about it.
	What, Remedy string
}

// Error returns "file:line: what: remedy".
func (e *Error) Error() string { return place(e.File, e.Line) + e.What + ": " + e.Remedy }

// Errors are all that is wrong with a file, ordered by line.
type Errors struct{ List []*Error }

// maxErrorsShown bounds the text of [Errors]; a file of another kind altogether
// can have an error in each of its lines.
const maxErrorsShown = 50

// Error returns one line for each error.
func (e *Errors) Error() string {
	var lines []string
	for i, err := range e.List {
		if i == maxErrorsShown {
			lines = append(lines, fmt.Sprintf("… and %d more errors", len(e.List)-i))
			break
		}
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
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
	if line == 0 {
		return file + ": "
	}
	return fmt.Sprintf("%s:%d: ", file, line)
}

// A reader reads one file and collects what is wrong with it. Values are known by
// their path, such as remote_write[1].url.
type reader struct {
	name string
	// dir is what names of files are relative to; "" leaves them as they are written.
	dir     string
	process Process
	// lenient reads as the old connector did: keys in any case, the last of equal ones
	// wins, a list also as one text, and what is unknown is a warning.
	lenient bool

	lines map[string]int // of keys and items, by path
	// variables has the environment variables whose values stand at a path.
	variables map[string]string
	// faulty has the paths with an error, true, and those above them.
	faulty  map[string]bool
	unknown int // keys
	keys    map[reflect.Type][]key
	files   []namedFile
	tls     map[string]*commoncfg.TLSConfig // by path

	errs     []*Error
	warnings []Warning
}

func newReader(name, dir string, process Process) *reader {
	return &reader{name: name, dir: dir, process: process, lines: map[string]int{}, variables: map[string]string{}, faulty: map[string]bool{}, keys: map[reflect.Type][]key{}, tls: map[string]*commoncfg.TLSConfig{}}
}

// A namedFile is a file that the configuration names at a path of keys.
type namedFile struct{ name, path string }

// Process is what a file cannot say of the process that reads it.
type Process struct {
	// Listen is the addresses to listen on, which win over web.listen_address where there
	// are any: no endpoint may be one of them.
	Listen []string
	// Outside says that the file is of a systemd unit that this process is not: where the
	// unit's credentials cannot be seen, that is a warning.
	Outside bool
	// Environ are the environment variables, as of [os.Environ].
	Environ []string
	// Optional says that no flag names the file, so that it need not exist where the old
	// connector's variables say what to subscribe to.
	Optional bool
}

// failLine notes an error. A line of 0 means the file as a whole.
func (r *reader) failLine(line int, what, remedy string) {
	r.errs = append(r.errs, &Error{File: r.name, Line: line, What: what, Remedy: remedy})
}

// fail notes an error of the value at path, with which its text begins.
func (r *reader) fail(path, what, remedy string) {
	r.failAt(path, " "+what, remedy)
}

// failAt is fail for a text that follows the path as it is.
func (r *reader) failAt(path, what, remedy string) {
	file, line, shown := r.origin(path)
	r.errs = append(r.errs, &Error{File: file, Line: line, What: shown + what, Remedy: remedy})
	r.faulty[path] = true
	for path = parent(path); path != "" && r.sound(path); path = parent(path) {
		r.faulty[path] = false
	}
}

// warn notes a warning of the value at path, with which its text begins.
func (r *reader) warn(path, what string) {
	file, line, shown := r.origin(path)
	r.warnings = append(r.warnings, Warning{File: file, Line: line, Text: shown + " " + what})
}

// origin returns where the value at path comes from, and what it is called there: a key of
// the file, or a variable.
func (r *reader) origin(path string) (file string, line int, shown string) {
	for at := path; at != ""; at = parent(at) {
		if variable := r.variables[at]; variable != "" {
			return environment, 0, variable + path[len(at):]
		}
	}
	return r.name, r.line(path), path
}

// line returns the line of the key or item at path, or that of what it would stand in.
func (r *reader) line(path string) int {
	for ; path != ""; path = parent(path) {
		if line := r.lines[path]; line != 0 {
			return line
		}
	}
	return r.lines[""]
}

// parent returns the path of what a key or an item stands in.
func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

// has reports whether the key at path stands in the file.
func (r *reader) has(path string) bool { return r.lines[path] != 0 }

// sound reports whether there are no errors at path and below.
func (r *reader) sound(path string) bool {
	_, bad := r.faulty[path]
	return !bad
}

// result returns c unless there are errors, and what was found, in the order of the file.
func (r *reader) result(c *Config) (*Config, []Warning, error) {
	slices.SortStableFunc(r.warnings, func(a, b Warning) int { return a.Line - b.Line })
	if len(r.errs) == 0 {
		return c, r.warnings, nil
	}
	slices.SortStableFunc(r.errs, func(a, b *Error) int { return a.Line - b.Line })
	return nil, r.warnings, &Errors{List: r.errs}
}
