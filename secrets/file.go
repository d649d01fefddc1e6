// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/prometheus/common/config"
)

const (
	// maxSecret bounds the size in bytes of a file with a password or token: no
	// server takes longer headers.
	maxSecret = 16 << 10
	// MaxPEM bounds that of a file with certificates or a key.
	MaxPEM = 1 << 20
	// credentials is where systemd puts a unit's credentials while it runs
	// (systemd.exec(5), LoadCredential=).
	credentials = "/run/credentials/"
)

// open opens a regular file for reading. It never waits, as opening a pipe does,
// and touches no device. The error says what the file is instead, not its name.
func open(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err == nil {
		err = regular(info)
	}
	if err != nil {
		return nil, WithoutName(err)
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, WithoutName(err)
	}
	if info, err = f.Stat(); err == nil { // another file may have taken its name
		err = regular(info)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, WithoutName(err)
	}
	return f, nil
}

func regular(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errors.New("is a directory")
	case !info.Mode().IsRegular():
		return errors.New("is not a regular file but a pipe, socket or device")
	}
	return nil
}

// WithoutName removes the file's name from an error.
func WithoutName(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// ReadFile returns the content of a file that holds a password or token, without
// space around it, and remembers it.
func (s *Set) ReadFile(name string) (string, error) {
	text, err := read(name, maxSecret)
	if err != nil {
		return "", err
	}
	s.Add(Secret{Text: text})
	return text, nil
}

// Fetch returns the content of a file with certificates or a key. It implements
// [config.SecretManager].
func (s *Set) Fetch(_ context.Context, name string) (string, error) { return read(name, MaxPEM) }

func read(name string, limit int64) (string, error) {
	b, err := Read(name, limit)
	if err != nil {
		remedy, _ := Remedy(name, err)
		return "", fmt.Errorf("file %s: %w: %s", name, err, remedy)
	}
	return strings.TrimSpace(string(b)), nil
}

// Read returns the content of a regular file of at most limit bytes. It never waits. The
// error says what is wrong with the file, not its name.
func Read(name string, limit int64) ([]byte, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading: nothing to lose
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("is larger than %d KiB", limit>>10)
	}
	return b, WithoutName(err)
}

// Remedy says what to do about a file that cannot be used because of err, and whether
// it is a credential of systemd's that is not there or not to be seen.
func Remedy(name string, err error) (remedy string, credential bool) {
	missing, forbidden := errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission)
	switch {
	case strings.HasPrefix(name, credentials) && (missing || forbidden): // a process gets no other ones until it is started again
		return "let systemd pass it: LoadCredential=" + filepath.Base(name) +
			":/path/of/the/secret in the unit (systemctl edit), then a restart, for a reload passes none", true
	case missing:
		return "create the file or correct the path, which is relative to the configuration file", false
	case forbidden:
		return "let the account that skybridge runs as read it", false
	}
	return "name a regular file that holds the value", false
}

// TLS returns cfg with its files read by [Set.Fetch] where a set is the secret
// manager.
func TLS(cfg config.TLSConfig) config.TLSConfig {
	for _, pair := range [][2]*string{{&cfg.CAFile, &cfg.CARef}, {&cfg.CertFile, &cfg.CertRef}, {&cfg.KeyFile, &cfg.KeyRef}} {
		if *pair[0] != "" {
			*pair[1], *pair[0] = *pair[0], ""
		}
	}
	return cfg
}

// NewTLSConfig makes a client's TLS configuration, whose files are read by
// [Set.Fetch], those of the client's certificate again at each handshake.
func (s *Set) NewTLSConfig(cfg config.TLSConfig) (*tls.Config, error) {
	cfg = TLS(cfg)
	out, err := config.NewTLSConfig(&cfg, config.WithSecretManager(s))
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), "ref /", "file /"))
	}
	return out, nil
}
