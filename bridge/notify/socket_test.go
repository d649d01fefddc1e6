// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestFromEnvironment sends to a real socket, named as systemd names it.
func TestFromEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("WATCHDOG_PID", "")
	s, err := FromEnvironment(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if s.options.Watchdog != 3*time.Second {
		t.Errorf("watchdog of %s, want 3s", s.options.Watchdog)
	}
	s.Status("hello")
	buf := make([]byte, 1000)
	n, err := socket.Read(buf)
	if got := string(buf[:n]); err != nil || got != "STATUS=hello" {
		t.Errorf("%q, %v", got, err)
	}

	t.Setenv("WATCHDOG_USEC", "soon")
	if _, err := FromEnvironment(slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a watchdog's time that is no number is no error")
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if s, err := FromEnvironment(slog.New(slog.DiscardHandler)); s != nil || err != nil {
		t.Errorf("%v, %v without a socket", s, err)
	}
}
