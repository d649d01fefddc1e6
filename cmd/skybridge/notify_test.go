// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/loopback"
)

// systemd is what a service is told by: a socket that takes messages.
type systemd struct {
	t      *testing.T
	path   string
	socket *net.UnixConn
	told   []string // but beats and the status of a moment
	beats  int
	status string
}

func newSystemd(t *testing.T) *systemd {
	s := &systemd{t: t, path: filepath.Join(t.TempDir(), "notify")}
	var err error
	if s.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.socket.Close() })
	return s
}

// until reads messages until done.
func (s *systemd) until(done func() bool) {
	s.t.Helper()
	buf := make([]byte, 4096)
	for !done() {
		n, err := s.socket.Read(buf) // ends with the child at the latest, which ends with the test
		if err != nil {
			s.t.Fatal(err)
		}
		switch name, value, _ := strings.Cut(string(buf[:n]), "="); name {
		case "WATCHDOG":
			s.beats++
		case "STATUS":
			s.status = value
		default:
			s.told = append(s.told, strings.TrimRight(strings.TrimSpace(string(buf[:n])), "0123456789")+"#")
		}
	}
}

func (s *systemd) untilTold(n int) {
	s.t.Helper()
	s.until(func() bool { return len(s.told) >= n })
}

// TestServiceOfSystemd runs the binary as systemd does, with a watchdog, one
// analyzer that is up and receivers that are down: the states come in order, and the
// beats go on.
func TestServiceOfSystemd(t *testing.T) {
	t.Parallel()
	a, err := analyzer.Start(analyzer.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	file := write(t, "skybridge.yml", "global: {push_interval: 1s}\nskydive: {analyzers: ['"+a.URL()+"', 'ws://127.0.0.1:9']}\n"+
		"remote_write: [{url: 'http://127.0.0.1:9/one'}, {url: 'http://127.0.0.1:9/two'}]\n")
	s := newSystemd(t)
	logs := &bytes.Buffer{}
	cmd := command(t, "--config.file="+file, "--storage.path="+t.TempDir(), "--web.listen-address="+loopback.Address())
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+s.path, "WATCHDOG_USEC=12000000") // a disk may well take 2 s to sync
	cmd.Stderr = logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		s.socket.CloseRead()
	}()

	s.untilTold(1)
	if len(a.Subscribers()) != 1 {
		t.Error("ready, and not subscribed")
	}
	if want := "analyzers: 1 of 2 connected; series: 0; receivers: "; !strings.HasPrefix(s.status, want) {
		t.Errorf("status %q, want %q…", s.status, want)
	}
	before := s.beats
	s.until(func() bool { return s.beats >= before+6 }) // more than once what the watchdog waits for
	if strings.Contains(s.status, "hangs") {
		t.Errorf("status %q while receivers are merely down", s.status)
	}
	for i, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		s.untilTold([]int{3, 4}[i])
	}
	if diff := cmp.Diff([]string{"READY=#", "RELOADING=1\nMONOTONIC_USEC=#", "READY=#", "STOPPING=#"}, s.told); diff != "" {
		t.Errorf("states differ:\n%s", diff)
	}
	// Receivers that are down would be waited for; where nothing is left for them, it may be gone by now.
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	<-ended
	if slices.Contains(strings.Fields(logs.String()), "level=ERROR") {
		t.Errorf("errors in the log:\n%s", logs)
	}
}

// TestSocketOfSystemd runs the binary with a port that is passed to it: it serves
// there, whatever the configuration says.
func TestSocketOfSystemd(t *testing.T) {
	a, err := analyzer.Start(analyzer.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	passed, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer passed.Close()
	file := write(t, "skybridge.yml", "skydive: {analyzers: ['"+a.URL()+"']}\nweb: {listen_address: '"+loopback.Address()+"'}\n")
	s := newSystemd(t)
	skybridge := command(t, "--config.file="+file, "--web.systemd-socket")
	// The protocol names the process, whose number is known in it only.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`}, skybridge.Args...)...)
	cmd.Env = append(skybridge.Env, "LISTEN_FDS=1", "NOTIFY_SOCKET="+s.path)
	cmd.ExtraFiles = []*os.File{passed}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		s.socket.CloseRead()
	}()
	s.untilTold(1)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + l.Addr().String() + "/-/ready")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("ready, and /-/ready says %s", answer.Status)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
