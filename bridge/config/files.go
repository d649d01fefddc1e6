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

	commoncfg "github.com/prometheus/common/config"
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
		regular, err := readable(name)
		all = all && regular && err == nil
		switch {
		case err == nil:
		case strings.HasPrefix(name, credentials) && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)):
			r.noCredential(f, name)
		case errors.Is(err, fs.ErrNotExist):
			r.fail(f.line, fmt.Sprintf("%s: %s does not exist", f.path, name), "create the file or correct the path, which is relative to the configuration file")
		case errors.Is(err, fs.ErrPermission):
			r.fail(f.line, fmt.Sprintf("%s: no permission to read %s", f.path, name), "let the account that skybridge runs as read it")
		default:
			r.fail(f.line, fmt.Sprintf("%s: %s %s", f.path, name, err), "name a file that holds the value")
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

// readable says why a file cannot be used, or returns nil. What is no regular
// file (a pipe, say) is not opened, for that can block.
func readable(name string) (regular bool, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return false, bare(err)
	}
	if info.IsDir() {
		return false, errors.New("is a directory")
	}
	if !info.Mode().IsRegular() {
		return false, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return true, bare(err)
	}
	defer f.Close() // opened for reading: nothing to lose
	if _, err := f.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		return true, errors.New("is empty")
	} else if err != nil {
		return true, bare(err)
	}
	return true, nil
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
func Load(path string) (*Config, []Warning, error) { return load(&reader{name: path}) }

// Check is Load outside the unit whose configuration it is: where its credentials
// cannot be seen, that is a warning.
func Check(path string) (*Config, []Warning, error) {
	return load(&reader{name: path, outside: true})
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

// readFile returns the content of the configuration file, one byte more than
// [MaxFileSize] of it at most.
func (r *reader) readFile(path string) ([]byte, bool) {
	const remedy = "check the name of the configuration file"
	// A pipe that nobody writes to is empty, instead of holding up a reload.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		r.fail(0, "cannot open the file ("+bare(err).Error()+")", "read it as root, or as a user of the file's group")
		return nil, false
	} else if err != nil {
		r.fail(0, "cannot open the file ("+bare(err).Error()+")", remedy)
		return nil, false
	}
	defer f.Close() // opened for reading: nothing to lose
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		r.fail(0, "cannot read the file ("+bare(err).Error()+")", remedy)
		return nil, false
	}
	return data, true
}

// checkTLS notes certificates and keys that cannot be used.
func (r *reader) checkTLS(p parsed) {
	const remedy = "check the files and texts of this stanza: PEM blocks, a key that fits its certificate"
	check := func(c *commoncfg.TLSConfig, line int, path string) {
		if _, err := commoncfg.NewTLSConfig(c); err != nil {
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
