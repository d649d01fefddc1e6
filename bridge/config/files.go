// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/secrets"
)

// read reads a file of either format. Of prom_sky_con.yml it also returns the stanza
// remote_write, nil where there is none. The configuration is of use only while there
// are no errors.
func (r *reader) read(data []byte) (*Config, *legacyFile) {
	root := r.document(data)
	if root == nil {
		return nil, nil
	}
	r.lines[""] = root.Line
	c, old := Default(), (*legacyFile)(nil)
	if hasKey(root, "pipeline") {
		old = r.legacy(root, &c)
	} else {
		r.ignoreVariables()
		r.object(root, reflect.ValueOf(&c).Elem(), "")
		r.validate(reflect.ValueOf(&c).Elem(), "")
	}
	if len(r.errs) == 0 {
		listen := r.process.Listen
		if len(listen) == 0 {
			listen = []string{c.Web.ListenAddress}
		}
		for _, address := range listen {
			c.ownListener(r, address)
		}
	}
	return &c, old
}

// hasKey reports whether a mapping has a key, in any case.
func hasKey(n *yaml.Node, key string) bool {
	for i := 0; i < len(n.Content); i += 2 {
		if strings.EqualFold(n.Content[i].Value, key) {
			return true
		}
	}
	return false
}

// Load reads the file at path or [Stdin], in either format, and checks that the files
// that it names can be read and hold usable certificates. The error is an [*Errors].
func Load(path string, process Process) (*Config, []Warning, error) {
	r := newReader(path, filepath.Dir(path), process)
	if path == Stdin {
		r.dir = "."
	}
	var c *Config
	if data, ok := r.content(path, false); ok {
		c, _ = r.read(data)
	}
	if r.checkFiles() && len(r.errs) == 0 {
		r.checkTLS()
	}
	return r.result(c)
}

// content returns what the file at path contains, or false after it has noted an error.
// Variables can stand for a file that does not exist, and for an empty one where emptyToo.
func (r *reader) content(path string, emptyToo bool) (data []byte, ok bool) {
	data, err := readFile(path, readTimeout)
	what := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		what = "does not exist"
	case err == nil && len(data) == 0 && emptyToo:
		what = "is empty"
	}
	switch {
	case what != "" && r.process.instead():
		r.name = environment
		r.warnVariable(path + " " + what + ": variables " + oldPrefix + "… are the whole configuration")
		return []byte(withoutFile), true
	case errors.Is(err, fs.ErrPermission):
		r.failLine(0, err.Error(), "read it as root, or as a user of the file's group")
	case err != nil:
		r.failLine(0, err.Error(), "check the name of the configuration file")
	}
	return data, err == nil
}

// Convert returns the prom_sky_con.yml at path, or the variables that stand for it, in
// skybridge's own format, secrets and all; both are read as the same [Config], the first
// with the old connector's variables. Only what the old file sets is written, and a
// remote_write stanza stays as it was written, comments included. The error is an [*Errors];
// warnings name what the old file says and the new one cannot.
func Convert(path string, process Process) (native []byte, warnings []Warning, err error) {
	r := newReader(path, "", process)
	// An empty file is what the shell makes of "convert-config > skybridge.yml".
	data, ok := r.content(path, true)
	if !ok {
		_, warnings, err = r.result(nil)
		return nil, warnings, err
	}
	return r.convert(data)
}

func (r *reader) convert(data []byte) (native []byte, warnings []Warning, err error) {
	c, old := r.read(data)
	if c != nil && old == nil {
		r.errs = nil
		r.failLine(0, "this is not a prom_sky_con.yml: it has no key pipeline", "it needs no conversion; check it with skybridge check-config")
	}
	if c, warnings, err = r.result(c); err != nil {
		return nil, warnings, err
	}
	base := strings.Map(func(c rune) rune {
		if !printable(string(c)) {
			return '?'
		}
		return c
	}, filepath.Base(r.name))
	if r.name == environment {
		base = "the variables " + oldPrefix + "*"
	}
	head := "# Made of " + base + " by skybridge convert-config. Every other key has its default.\n"

	doc := writer{brief: true}.document(c)
	plain := []byte(head + string(encode(doc)))
	for i := 0; i < len(doc.Content); i += 2 {
		if doc.Content[i].Value == "remote_write" {
			doc.Content[i+1] = &old.RemoteWrite
		}
	}
	// The stanza's comments and style are worth keeping, but not at the price of
	// its meaning, which the YAML library's writer does not guarantee.
	styled := []byte(head + string(encode(doc)))
	r = newReader("", "", Process{})
	if same, _ := r.read(styled); len(r.errs) == 0 && reflect.DeepEqual(same, c) {
		return styled, warnings, nil
	}
	return plain, warnings, nil
}

// Checksum returns a checksum of what the file at path and the files that it names
// contain, or of why they cannot be read. It never waits: what is no regular file is not
// read.
func Checksum(path string) [sha256.Size]byte {
	r, h := newReader(path, filepath.Dir(path), Process{}), sha256.New()
	add := func(name string) []byte {
		data, err := secrets.Read(name, max(MaxFileSize, secrets.MaxPEM))
		fmt.Fprintln(h, len(data), err)
		h.Write(data)
		return data
	}
	r.read(add(path))
	for _, f := range r.files {
		add(f.name)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Stdin is the name of standard input. The files that are named there are relative to
// the working directory.
const Stdin = "/dev/stdin"

// readTimeout is how long a pipe may take to deliver a configuration.
const readTimeout = 10 * time.Second

// readFile returns the content of the configuration file at path or of [Stdin], one
// byte more than [MaxFileSize] of it at most: readers of that refuse it as too large. A
// pipe is empty where no process has it open for writing, and has timeout to deliver, so
// that it cannot hold up a reload; standard input has no limit of time.
func readFile(path string, timeout time.Duration) ([]byte, error) {
	f := os.Stdin
	if path != Stdin {
		var err error
		if f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
			return nil, fmt.Errorf("cannot open the file (%w)", secrets.WithoutName(err))
		}
		defer f.Close()                                // opened for reading: nothing to lose
		_ = f.SetReadDeadline(time.Now().Add(timeout)) // files on disks have none
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the file (%w)", secrets.WithoutName(err))
	}
	return data, nil
}

// checkFiles notes which of the files cannot be read. It reports whether all can be, at
// once and as often as one likes.
func (r *reader) checkFiles() bool {
	all := true
	for _, f := range r.files {
		data, err := secrets.Read(f.name, secrets.MaxPEM)
		if err == nil && len(data) == 0 {
			err = errors.New("is empty")
		}
		all = all && err == nil
		switch remedy, credential := secrets.Remedy(f.name, err); {
		case err == nil:
		case credential && r.process.Outside:
			r.warn(f.path, fmt.Sprintf("is %s, which is not to be seen here; the unit sees it, if it has LoadCredential=%s:…", f.name, filepath.Base(f.name)))
		default:
			r.fail(f.path, fmt.Sprintf("is %s: %s", f.name, err), remedy)
		}
	}
	return all
}

// checkTLS notes certificates and keys that cannot be used.
func (r *reader) checkTLS() {
	for _, path := range slices.Sorted(maps.Keys(r.tls)) {
		if _, err := secrets.New().NewTLSConfig(*r.tls[path]); err != nil {
			r.failAt(path, ": "+err.Error(), "check the files and texts of this stanza: PEM blocks, a key that fits its certificate")
		}
	}
}
