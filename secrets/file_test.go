// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/common/config"
)

// TestReadFile proves that reading a secret never waits and never reads without
// end, and that errors say which file and what to do.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		if err := os.Symlink(to, path(name)); err != nil {
			t.Fatal(err)
		}
	}
	write("secret", " pa55word\n")
	link("secret", "link")
	write("large", strings.Repeat("x", maxSecret+1))
	if err := syscall.Mkfifo(path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	link("pipe", "link-to-pipe")
	const special = "is not a regular file but a pipe, socket or device: name a regular file that holds the value"
	for name, want := range map[string]string{
		path("secret"):       "",
		path("link"):         "",
		path("large"):        "is larger than 16 KiB: name a regular file that holds the value",
		path("pipe"):         special,
		path("link-to-pipe"): special,
		"/dev/zero":          special,
		"/dev/tty":           special,
		dir:                  "is a directory: name a regular file that holds the value",
		path("absent"):       "no such file or directory: create the file or correct the path, which is relative to the configuration file",
		"/run/credentials/skybridge.service/absent": "no such file or directory: let systemd pass it: LoadCredential=absent:/path/of/the/secret in the unit (systemctl edit), " +
			"then a restart, for a reload passes none",
	} {
		s := New()
		text, err := s.ReadFile(name)
		switch {
		case want == "" && (err != nil || text != "pa55word" || s.Hide("is pa55word wrong?") != "is <hidden> wrong?"):
			t.Errorf("%s: %q, error %v", name, text, err)
		case want != "" && (err == nil || err.Error() != "file "+name+": "+want):
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestTLSFiles proves that files of TLS are read in the same way, also at a
// handshake.
func TestTLSFiles(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []config.TLSConfig{{CAFile: pipe}, {CertFile: pipe, KeyFile: pipe}, {Cert: "x", KeyFile: pipe}} {
		if _, err := New().NewTLSConfig(cfg); err == nil || !strings.Contains(err.Error(), "file "+pipe+": is not a regular file") {
			t.Errorf("error %v", err)
		}
	}
}
