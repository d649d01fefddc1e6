// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package unixsocket has Unix domain sockets in place of TCP: how addresses and URLs name
// them, and a listener.
package unixsocket

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Address returns the socket's path in the address of a listener: unix:///run/x.sock or
// unix:/run/x.sock. ok says whether it is one; [Valid] whether the path can be.
func Address(address string) (path string, ok bool) {
	path, ok = strings.CutPrefix(address, "unix:")
	return strings.TrimPrefix(path, "//"), ok
}

// Host is what requests over a socket are for.
const Host = "localhost"

// Receiver returns the socket's path in the URL of a receiver, and the URL to ask for
// there: of unix:///run/x.sock:/api/v1/write these are /run/x.sock and
// http://localhost/api/v1/write. Of any other URL they are "" and the URL itself.
func Receiver(url string) (path, over string) {
	path, isSocket := strings.CutPrefix(url, "unix://")
	path, rest, complete := strings.Cut(path, ":/")
	if !isSocket || !complete || !Valid(path) {
		return "", url
	}
	return path, "http://" + Host + "/" + rest
}

// maxPath is the size of sun_path in Linux, less the byte that ends it (unix(7)).
const maxPath = 107

// Valid reports whether a socket can have that path, and a URL can contain it as it is.
func Valid(path string) bool {
	return filepath.IsAbs(path) && len(path) <= maxPath && !strings.ContainsAny(path, "\x00?#%$@")
}

// Mode is who may connect: the process's user and group.
const Mode = 0o660

// Listen listens on the socket of that path, which ends with the listener. The socket of a
// process that has died is replaced; that of a living one is EADDRINUSE.
func Listen(path string) (net.Listener, error) {
	l, err := listen(path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, errors.New("there is a file of that name that is no socket")
	}
	if !dead(path) {
		return nil, err
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return listen(path)
}

func listen(path string) (net.Listener, error) {
	// Linux makes the socket's file with the mode of the descriptor, less the umask: no other
	// user can connect before the mode is set.
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), Mode) }), err)
	}}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, Mode); err != nil { // the umask may have left the group out
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// dead reports whether no process listens on a socket.
func dead(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
