// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"errors"
	"log/slog"
	"net"
	"os"
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

	// No one reads it any more: messages fail when it is full, and hold nothing up.
	for range 10_000 {
		if err = send("STATUS=hello"); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, want a timeout", err)
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
