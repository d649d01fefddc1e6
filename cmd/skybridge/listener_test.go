// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestOneListener: a running bridge listens on its one port and nowhere else, neither
// by TCP, UDP nor a Unix socket.
func TestOneListener(t *testing.T) {
	cmd, _, _ := running(t, "")
	listening := listeners(t, cmd.Process.Pid)
	if want := []string{"tcp " + webAddress(cmd)}; !slices.Equal(listening, want) {
		t.Errorf("it listens on %q, want %q", listening, want)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// listeners lists where a process waits for others, by Linux' tables of sockets.
func listeners(t *testing.T, pid int) []string {
	t.Helper()
	proc := filepath.Join("/proc", fmt.Sprint(pid))
	own := map[string]bool{} // by inode
	entries, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		// A descriptor may have been closed meanwhile.
		if to, err := os.Readlink(filepath.Join(proc, "fd", e.Name())); err == nil {
			own[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	const listen, accepts = "0A", "00010000" // include/net/tcp_states.h, SO_ACCEPTCON
	var found []string
	table := func(name string, each func(fields []string)) {
		text, err := os.ReadFile(filepath.Join(proc, "net", name))
		if err != nil {
			return // no IPv6 here
		}
		for line := range strings.Lines(string(text)) {
			each(strings.Fields(line))
		}
	}
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6"} {
		table(name, func(f []string) {
			// Every bound UDP socket hears what comes; those of a resolver are connected.
			bound := strings.HasPrefix(name, "udp") && len(f) > 9 && strings.HasSuffix(f[2], ":0000")
			if len(f) > 9 && own[f[9]] && (f[3] == listen || bound) {
				found = append(found, strings.TrimSuffix(name, "6")+" "+endpoint(t, f[1]))
			}
		})
	}
	table("unix", func(f []string) {
		if len(f) > 6 && own[f[6]] && f[3] == accepts {
			found = append(found, "unix "+strings.Join(f[7:], ""))
		}
	})
	return found
}

// endpoint reads an address of the tables, as long as it is IPv4's.
func endpoint(t *testing.T, text string) string {
	t.Helper()
	var a, b, c, d, port int
	if _, err := fmt.Sscanf(text, "%02X%02X%02X%02X:%04X", &d, &c, &b, &a, &port); err != nil {
		return text
	}
	return fmt.Sprintf("%d.%d.%d.%d:%d", a, b, c, d, port)
}

// TestSeveralListeners proves that a bridge listens on each --web.listen-address and nowhere
// else, and that the log names all.
func TestSeveralListeners(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "web.sock")
	cmd, _, logs := running(t, "", func(cmd *exec.Cmd) { cmd.Args = append(cmd.Args, "--web.listen-address=unix://"+socket) })
	listening := listeners(t, cmd.Process.Pid)
	if want := []string{"tcp " + webAddress(cmd), "unix " + socket}; !slices.Equal(listening, want) {
		t.Errorf("it listens on %q, want %q", listening, want)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if want := "address=" + webAddress(cmd) + ",unix://" + socket + " "; !strings.Contains(logs.String(), want) {
		t.Errorf("no %q in the log:\n%s", want, logs)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket remains: %v", err)
	}
}
