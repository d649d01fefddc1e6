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
	"strings"
	"syscall"

	"github.com/prometheus/common/config"
)

const (
	// maxSecret bounds the size in bytes of a file with a password or token: no
	// server takes longer headers.
	maxSecret = 16 << 10
	// maxPEM bounds that of a file with certificates or a key.
	maxPEM = 1 << 20
	// credentials is where systemd puts a unit's credentials while it runs
	// (systemd.exec(5), LoadCredential=).
	credentials = "/run/credentials/"
)

// Open opens a regular file for reading. It never waits, as opening a pipe does,
// and touches no device. The error says what the file is instead, not its name.
func Open(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err == nil {
		err = regular(info)
	}
	if err != nil {
		return nil, bare(err)
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, bare(err)
	}
	if info, err = f.Stat(); err == nil { // another file may have taken its name
		err = regular(info)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, bare(err)
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

// bare removes the file's name from an error.
func bare(err error) error {
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
func (s *Set) Fetch(_ context.Context, name string) (string, error) { return read(name, maxPEM) }

func read(name string, limit int64) (string, error) {
	f, err := Open(name)
	if err != nil {
		return "", unreadable(name, err)
	}
	defer f.Close() // opened for reading: nothing to lose
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", unreadable(name, bare(err))
	}
	if int64(len(b)) > limit {
		return "", unreadable(name, fmt.Errorf("is larger than %d KiB", limit>>10))
	}
	return strings.TrimSpace(string(b)), nil
}

// unreadable says what to do about a file that cannot be used.
func unreadable(name string, err error) error {
	remedy := "name a regular file that holds the value"
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(name, credentials):
		remedy = "the unit needs LoadCredential= for it, and systemd makes it when the unit starts"
	case errors.Is(err, fs.ErrNotExist):
		remedy = "create the file or correct the path"
	case errors.Is(err, fs.ErrPermission):
		remedy = "let the account that skybridge runs as read it"
	}
	return fmt.Errorf("file %s: %w: %s", name, err, remedy)
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
