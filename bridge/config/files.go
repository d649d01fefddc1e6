// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	commoncfg "github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/secrets"
)

// A namedFile is a file that the configuration names at a path of keys.
type namedFile struct{ name, path string }

// fileName returns the name of a file as it can be opened, and notes it for
// [reader.checkFiles].
func (r *reader) fileName(name, path string) string {
	switch {
	case name == "":
		return ""
	case strings.Contains(name, "${"):
		r.fail(path, "contains ${, and environment variables are not expanded", "write the path; a systemd credential is /run/credentials/<unit>/<name>")
		return ""
	case strings.ContainsRune(name, 0):
		r.fail(path, "has a NUL character", "write the path of a file")
		return ""
	case r.dir != "":
		name = commoncfg.JoinDir(r.dir, name)
	}
	r.files = append(r.files, namedFile{name, path})
	return name
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

// Process is what a file cannot say of the process that reads it.
type Process struct {
	// Listen is the address to listen on, which wins over web.listen_address where it is
	// not empty: no endpoint may be that.
	Listen string
	// Outside says that the file is of a systemd unit that this process is not: where the
	// unit's credentials cannot be seen, that is a warning.
	Outside bool
}

// Load reads the file at path or [Stdin], in either format, and checks that the files
// that it names can be read and hold usable certificates. The error is an [*Errors].
func Load(path string, process Process) (*Config, []Warning, error) {
	r := newReader(path, directory(path), process)
	var c *Config
	data, err := ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		r.failLine(0, err.Error(), "read it as root, or as a user of the file's group")
	case err != nil:
		r.failLine(0, err.Error(), "check the name of the configuration file")
	default:
		c, _ = r.read(data)
		if r.checkFiles() && len(r.errs) == 0 {
			c.checkTLS(r)
		}
	}
	return r.result(c)
}

// directory returns what the names of files in a file are relative to.
func directory(path string) string {
	if path == Stdin {
		return "."
	}
	return filepath.Dir(path)
}

// readTimeout is how long a pipe may take to deliver a configuration.
const readTimeout = 10 * time.Second

// Stdin is the name of standard input. The files that are named there are relative to
// the working directory.
const Stdin = "/dev/stdin"

// ReadFile returns the content of the configuration file at path or of [Stdin], one
// byte more than [MaxFileSize] of it at most: readers of that refuse it as too large. A
// pipe is empty where no process has it open for writing, and has a few
// seconds to deliver, so that it cannot hold up a reload; standard input has no limit
// of time.
func ReadFile(path string) ([]byte, error) {
	if path == Stdin {
		return readAll(os.Stdin)
	}
	return readFile(path, readTimeout)
}

func readFile(path string, timeout time.Duration) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the file (%w)", secrets.WithoutName(err))
	}
	defer f.Close()                                // opened for reading: nothing to lose
	_ = f.SetReadDeadline(time.Now().Add(timeout)) // files on disks have none
	return readAll(f)
}

func readAll(f io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the file (%w)", secrets.WithoutName(err))
	}
	return data, nil
}

// checkTLS notes certificates and keys that cannot be used.
func (c *Config) checkTLS(r *reader) {
	check := func(c *commoncfg.TLSConfig, path string) {
		if _, err := secrets.New().NewTLSConfig(*c); err != nil {
			r.failLine(r.line(path), path+": "+err.Error(), "check the files and texts of this stanza: PEM blocks, a key that fits its certificate")
		}
	}
	check(&c.Skydive.TLS, "skydive.tls_config")
	for i := range c.RemoteWrite {
		client, path := &c.RemoteWrite[i].HTTPClient, fmt.Sprintf("remote_write[%d]", i)
		check(&client.TLSConfig, path+".tls_config")
		if client.OAuth2 != nil {
			check(&client.OAuth2.TLSConfig, path+".oauth2.tls_config")
		}
	}
}
