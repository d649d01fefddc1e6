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

// A fileRef is a file that the configuration names at path, as written.
type fileRef struct {
	name, path string
	line       int
}

// credentials is where systemd puts a unit's credentials while it runs
// (systemd.exec(5), LoadCredential=).
const credentials = "/run/credentials/"

// file reads the name of a file.
func (r *reader) file(o *object, key string, dst *string) {
	n := o.take(key)
	if n == nil {
		return
	}
	path := o.join(key)
	s, ok := r.scalar(n, path)
	if ok && s != "" && r.noteFile(s, path, n.Line) {
		*dst = s
	}
}

// noteFile remembers a file for [reader.checkFiles].
func (r *reader) noteFile(name, path string, line int) bool {
	if strings.Contains(name, "${") {
		r.fail(line, path+" contains ${, and environment variables are not expanded",
			"write the path; a systemd credential is "+credentials+"<unit>/<name>")
		return false
	}
	if strings.ContainsRune(name, 0) {
		r.fail(line, path+" has a NUL character", "write the path of a file")
		return false
	}
	r.files = append(r.files, fileRef{name, path, line})
	return true
}

// checkFiles notes which of the files, relative to dir, cannot be read. It
// reports whether all can be, at once and as often as one likes.
func (r *reader) checkFiles(dir string) bool {
	all := true
	for _, f := range r.files {
		name := commoncfg.JoinDir(dir, f.name)
		err := readable(name)
		all = all && err == nil
		switch {
		case err == nil:
		case strings.HasPrefix(name, credentials) && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)):
			r.noCredential(f, name)
		case errors.Is(err, fs.ErrNotExist):
			r.fail(f.line, fmt.Sprintf("%s: %s does not exist", f.path, name), "create the file or correct the path, which is relative to the configuration file")
		case errors.Is(err, fs.ErrPermission):
			r.fail(f.line, fmt.Sprintf("%s: no permission to read %s", f.path, name), "let the account that skybridge runs as read it")
		default:
			r.fail(f.line, fmt.Sprintf("%s: %s %s", f.path, name, err), "name a regular file that holds the value")
		}
	}
	return all
}

// noCredential notes that one of systemd's credentials is not to be had: an error in
// the unit's own process, for it gets no other ones until it is started again.
func (r *reader) noCredential(f fileRef, name string) {
	if r.outside {
		r.warn(f.line, fmt.Sprintf("%s: %s is not to be seen here; the unit sees it, if it has LoadCredential=%s:…", f.path, name, filepath.Base(name)))
		return
	}
	r.fail(f.line, fmt.Sprintf("%s: there is no %s", f.path, name),
		"let systemd pass it: LoadCredential="+filepath.Base(name)+":/path/of/the/secret in the unit (systemctl edit), then a restart, for a reload passes none")
}

// readable says why a file cannot be used, or returns nil.
func readable(name string) error {
	f, err := secrets.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading: nothing to lose
	if _, err := f.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		return errors.New("is empty")
	} else if err != nil {
		return bare(err)
	}
	return nil
}

// bare removes the file's name from an error, for the message has it already.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// Load reads the file at path, in either format, and checks that the files
// that it names can be read and hold usable certificates. The error is an
// [*Errors].
func Load(path string) (*Config, []Warning, error) { return LoadFor(path, "") }

// LoadFor is Load for a process that listens on the address listen, which wins over
// web.listen_address where it is not empty: no endpoint may be that.
func LoadFor(path, listen string) (*Config, []Warning, error) {
	return load(&reader{name: path, listen: listen})
}

// Check is LoadFor outside the unit whose configuration it is: where its credentials
// cannot be seen, that is a warning.
func Check(path, listen string) (*Config, []Warning, error) {
	return load(&reader{name: path, listen: listen, outside: true})
}

func load(r *reader) (*Config, []Warning, error) {
	path := r.name
	data, ok := r.readFile(path)
	if !ok {
		_, err := r.result()
		return nil, nil, err
	}
	p := r.read(data)
	dir := filepath.Dir(path)
	present := r.checkFiles(dir)
	if len(r.errs) == 0 {
		p.config.setDirectory(dir)
		if present {
			r.checkTLS(p)
		}
	}
	warnings, err := r.result()
	if err != nil {
		return nil, warnings, err
	}
	return p.config, warnings, nil
}

// readTimeout is how long a pipe may take to deliver a configuration.
const readTimeout = 10 * time.Second

// ReadFile returns the content of the configuration file at path, one byte more
// than [MaxFileSize] of it at most: readers of that refuse it as too large. A
// pipe is empty where no process has it open for writing, and has a few seconds
// to deliver, so that it cannot hold up a reload.
func ReadFile(path string) ([]byte, error) { return readFile(path, readTimeout) }

func readFile(path string, timeout time.Duration) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the file (%w)", bare(err))
	}
	defer f.Close()                                // opened for reading: nothing to lose
	_ = f.SetReadDeadline(time.Now().Add(timeout)) // files on disks have none
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the file (%w)", bare(err))
	}
	return data, nil
}

// readFile does so for [Load].
func (r *reader) readFile(path string) ([]byte, bool) {
	data, err := ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		r.fail(0, err.Error(), "read it as root, or as a user of the file's group")
	case err != nil:
		r.fail(0, err.Error(), "check the name of the configuration file")
	}
	return data, err == nil
}

// checkTLS notes certificates and keys that cannot be used.
func (r *reader) checkTLS(p parsed) {
	const remedy = "check the files and texts of this stanza: PEM blocks, a key that fits its certificate"
	check := func(c *commoncfg.TLSConfig, line int, path string) {
		if _, err := secrets.New().NewTLSConfig(*c); err != nil {
			r.fail(line, path+": "+err.Error(), remedy)
		}
	}
	check(&p.config.Skydive.TLS, p.skydiveLine, "skydive.tls_config")
	for i := range p.config.RemoteWrite {
		c := &p.config.RemoteWrite[i].HTTPClient
		check(&c.TLSConfig, p.remoteWriteLine(i), "remote_write.tls_config")
		if c.OAuth2 != nil {
			check(&c.OAuth2.TLSConfig, p.remoteWriteLine(i), "remote_write.oauth2.tls_config")
		}
	}
}
