// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/loopback"
)

// systemd stands for systemd: a socket that takes messages.
type systemd struct {
	t      *testing.T
	path   string
	socket *net.UnixConn
	states []string // but heartbeats and the present status
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

func startAnalyzer(t *testing.T) *analyzer.Analyzer {
	t.Helper()
	a, err := analyzer.Start(analyzer.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	return a
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
			s.states = append(s.states, strings.TrimRight(strings.TrimSpace(string(buf[:n])), "0123456789")+"#")
		}
	}
}

func (s *systemd) untilNotified(n int) {
	s.t.Helper()
	s.until(func() bool { return len(s.states) >= n })
}

// TestServiceOfSystemd runs the binary as systemd does, with a watchdog, one
// analyzer that is up and receivers that are down: the states come in order, and the
// notifications continue.
func TestServiceOfSystemd(t *testing.T) {
	t.Parallel()
	a := startAnalyzer(t)
	file := write(t, "skybridge.yml", "global: {push_interval: 1s}\nskydive: {analyzers: ['"+a.URL()+"', 'ws://127.0.0.1:9']}\n"+
		"remote_write: [{url: 'http://127.0.0.1:9/one'}, {url: 'http://127.0.0.1:9/two'}]\n")
	s := newSystemd(t)
	logs := &bytes.Buffer{}
	cmd := command(t, "--config.file="+file, "--storage.path="+t.TempDir(), "--web.listen-address="+loopback.Address())
	cmd.Env = append(cmd.Env, "WATCHDOG_USEC=12000000") // a disk may well take 2 s to sync
	cmd.Stderr = logs
	ended := s.serve(cmd)
	s.untilNotified(1)
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
		s.untilNotified([]int{3, 4}[i])
	}
	if diff := cmp.Diff([]string{"READY=#", "RELOADING=1\nMONOTONIC_USEC=#", "READY=#", "STOPPING=#"}, s.states); diff != "" {
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

// TestSocketOfSystemd runs the binary with two ports that are passed to it: it serves
// there, whatever the configuration says.
func TestSocketOfSystemd(t *testing.T) {
	a := startAnalyzer(t)
	var addresses []string
	var passed []*os.File
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		file, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		addresses, passed = append(addresses, l.Addr().String()), append(passed, file)
	}
	file := write(t, "skybridge.yml", "skydive: {analyzers: ['"+a.URL()+"']}\nweb: {listen_address: '"+loopback.Address()+"'}\n")
	s := newSystemd(t)
	skybridge := command(t, "--config.file="+file, "--web.systemd-socket")
	// The protocol names the process, whose number is known in it only.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`}, skybridge.Args...)...)
	cmd.Env = append(skybridge.Env, "LISTEN_FDS=2")
	cmd.ExtraFiles = passed
	ended := s.serve(cmd)
	s.untilNotified(1)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	for _, address := range addresses {
		answer, err := client.Get("http://" + address + "/-/ready")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("ready, and /-/ready says %s", answer.Status)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// serve starts a command as a service of s, which reads its messages until it ends.
func (s *systemd) serve(cmd *exec.Cmd) (ended <-chan error) {
	s.t.Helper()
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+s.path)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ending := make(chan error, 1)
	go func() {
		ending <- cmd.Wait()
		s.socket.CloseRead()
	}()
	return ending
}

// TestReloadOfTheUnit runs what the unit has in ExecReload= against the binary, as
// systemctl reload does: it fails where the configuration is bad, and the status says
// what came of it. It reads no configuration itself, so it needs no credentials.
func TestReloadOfTheUnit(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("../../deploy/systemd/skybridge.service")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^ExecReload=(.*)$`).FindAllStringSubmatch(string(unit), -1)
	if len(lines) != 1 {
		t.Fatalf("%d lines of ExecReload=, want 1", len(lines))
	}
	script, shell := strings.CutPrefix(lines[0][1], "/bin/sh -c '")
	script, quoted := strings.CutSuffix(script, "'")
	if !shell || !quoted || strings.ContainsAny(script, "'%\\") || strings.Contains(script, "${") {
		t.Fatalf("systemd takes this for something else: %s", lines[0][1])
	}
	a := startAnalyzer(t)
	good := "skydive: {analyzers: ['" + a.URL() + "']}\n"
	file, runtime := write(t, "skybridge.yml", good), t.TempDir()
	s := newSystemd(t)
	cmd := command(t, "--config.file="+file, "--web.listen-address="+loopback.Address())
	cmd.Env = append(cmd.Env, "RUNTIME_DIRECTORY="+runtime+":/elsewhere")
	logged(t, cmd)
	ended := s.serve(cmd)
	s.untilNotified(1)
	for i, test := range []struct {
		name, config string
		fails        bool
		status       string
	}{
		{"a bad file", good + "wob: 1\n", true, "reload failed at "},
		{"it is mended", good + "global: {push_interval: 30s}\n", false, "; reloaded at "},
		{"a credential that the unit does not pass", good + "remote_write: [{url: 'http://127.0.0.1:9/w', basic_auth: {username: u, password_file: /run/credentials/no.service/pw}}]\n", true, "LoadCredential=pw:"},
		{"the first one", good, false, "; reloaded at "},
	} {
		if err := os.WriteFile(file, []byte(test.config), 0o600); err != nil {
			t.Fatal(err)
		}
		reload := exec.CommandContext(t.Context(), "sh", "-c", script)
		reload.Env = []string{"PATH=" + os.Getenv("PATH"), "RUNTIME_DIRECTORY=" + runtime, fmt.Sprint("MAINPID=", cmd.Process.Pid)}
		if out, err := reload.CombinedOutput(); err != nil != test.fails || len(out) > 0 {
			t.Errorf("%s: ExecReload= ended with %v\n%s", test.name, err, out)
		}
		s.untilNotified(1 + 2*(i+1))
		if !strings.Contains(s.status, test.status) {
			t.Errorf("%s: status %q, want %q", test.name, s.status, test.status)
		}
	}
	want := []string{"READY=#"}
	for range 4 {
		want = append(want, "RELOADING=1\nMONOTONIC_USEC=#", "READY=#")
	}
	if diff := cmp.Diff(want, s.states); diff != "" {
		t.Errorf("states differ:\n%s", diff)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestStatusOfAFailedStart proves that the unit's status says why the bridge did not
// start.
func TestStatusOfAFailedStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	good := write(t, "skybridge.yml", "skydive: {analyzers: ['ws://127.0.0.1:9']}\n")
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"port in use":                   {[]string{"--config.file=" + good, "--web.listen-address=" + l.Addr().String()}, "in use"},
		"no configuration":              {[]string{"--config.file=nowhere.yml"}, "nowhere.yml: cannot open the file"},
		"a storage path that cannot be": {[]string{"--config.file=" + good, "--storage.path=/dev/null/state", "--web.listen-address=" + loopback.Address()}, "/dev/null"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystemd(t)
			ended := s.serve(command(t, test.args...))
			s.until(func() bool { return strings.Contains(s.status, test.want) })
			if exit, ok := errors.AsType[*exec.ExitError](<-ended); !ok || exit.ExitCode() != 1 {
				t.Errorf("ended with %v, want exit code 1", exit)
			}
			if len(s.states) > 0 {
				t.Errorf("notified of %q", s.states)
			}
		})
	}
}
