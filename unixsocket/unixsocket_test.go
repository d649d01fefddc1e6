// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package unixsocket

import (
	"cmp"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestNames proves which addresses and URLs name a socket, and which one.
func TestNames(t *testing.T) {
	for address, want := range map[string]string{
		"unix:///run/x.sock": "/run/x.sock", "unix:/run/x.sock": "/run/x.sock", "unix:x": "x",
		":9100": "", "127.0.0.1:9100": "", "unix": "",
	} {
		if path, ok := Address(address); path != want && ok || ok != (want != "") {
			t.Errorf("address %s: %q, %v", address, path, ok)
		}
	}
	for url, want := range map[string][2]string{
		"unix:///run/x.sock:/api/v1/write":                       {"/run/x.sock", "http://localhost/api/v1/write"},
		"unix:///run/x.sock:/a:/b?db=x":                          {"/run/x.sock", "http://localhost/a:/b?db=x"},
		"unix:///run/x.sock:/":                                   {"/run/x.sock", "http://localhost/"},
		"unix:///run/x.sock":                                     {},
		"unix://run/x.sock:/api/v1/write":                        {},
		"unix:/run/x.sock:/api/v1/write":                         {},
		"unix:///run/$X.sock:/api/v1/write":                      {},
		"unix:///run/u:p@x.sock:/api/v1/write":                   {},
		"unix:///run/x?t=secret:/api/v1/write":                   {},
		"http://localhost/run/x.sock:/write":                     {},
		"unix:///" + strings.Repeat("x", 107) + ":/api/v1/write": {},
	} {
		if path, over := Receiver(url); path != want[0] || over != cmp.Or(want[1], url) {
			t.Errorf("receiver %s: %q, %q", url, path, over)
		}
	}
}

// TestListen proves that user and group can connect whatever the umask, that the socket of a
// living process is in use and that of a dead one replaced, and that it ends with the listener.
func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	for _, umask := range []int{0o077, 0} {
		defer syscall.Umask(syscall.Umask(umask))
		l, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != Mode {
			t.Errorf("umask %o: %v, %v", umask, info.Mode(), err)
		}
		if _, err := Listen(path); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("beside a living process: %v", err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(umask == 0)
		l.Close()
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket remains: %v", err)
	}
}

// TestListenKeepsFiles proves that a file that is no socket is an error and stays.
func TestListenKeepsFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("error: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "text" {
		t.Errorf("the file has %q, %v", text, err)
	}
}
