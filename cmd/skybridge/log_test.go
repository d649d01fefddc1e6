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
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/await"
)

// goneReader returns a pipe that nothing reads any more.
func goneReader(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

// fullPipe returns a pipe whose reader does not read: a write to it blocks.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	fd := int(w.Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := syscall.Write(fd, make([]byte, 1))
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return w
}

// fullDisk returns a file on a disk that has no room.
func fullDisk(t *testing.T) *os.File {
	t.Helper()
	file, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// TestLogCannotBeWritten proves that a log which cannot be written stops nothing:
// flows are counted, ticks continue, a reload works, and SIGTERM ends it well. What is
// missing is counted.
func TestLogCannotBeWritten(t *testing.T) {
	for _, test := range []struct {
		name   string
		stderr func(*testing.T) *os.File
		drops  bool // or the lines still have room
	}{
		{"its reader is gone", goneReader, true},
		{"its reader does not read", fullPipe, false},
		{"its disk is full", fullDisk, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cmd, _, _ := running(t, "global: {push_interval: 1s}\n", func(cmd *exec.Cmd) { cmd.Stderr = test.stderr(t) })
			url := "http://" + webAddress(cmd)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			exceeds := func(name string, least float64) {
				t.Helper()
				err := await.Wait(ctx, func() (bool, string) {
					value, err := await.Scrape(ctx, url, name)
					return err == nil && value > least, fmt.Sprint(name, " is ", value, " ", err)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			if test.drops {
				exceeds("skybridge_log_lines_dropped_total", 0)
			}
			exceeds("skybridge_ticks_total", 1)
			http.DefaultClient.CloseIdleConnections()
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v, want exit code 0", err)
			}
		})
	}
}

// TestErrorCannotBeWritten proves that a bridge which cannot start ends with exit code
// 1 also where its error cannot be written.
func TestErrorCannotBeWritten(t *testing.T) {
	for name, stderr := range map[string]func(*testing.T) *os.File{"gone": goneReader, "full": fullPipe} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := command(t, "--config.file=nowhere.yml")
			cmd.Stderr = stderr(t)
			exit, ok := errors.AsType[*exec.ExitError](cmd.Run())
			if !ok || exit.ExitCode() != 1 {
				t.Errorf("ended with %v, want exit code 1", exit)
			}
		})
	}
}

// TestCheckConfigIsInterrupted proves that a signal ends a check at once, by the signal, and
// that nothing is said of what was not answered yet.
func TestCheckConfigIsInterrupted(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cmd := command(t, "check-config", "--connect", write(t, "skybridge.yml", "skydive: {analyzers: ['ws://"+silent.Addr().String()+"']}\ntopology: {enabled: false}\n"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	exit, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT || strings.Contains(out.String(), "FAILED") {
		t.Errorf("ended with %v, want death by the signal:\n%s", exit, &out)
	}
}

// TestCheckConfigIsAnOrdinaryTool: `skybridge check-config FILE | head -0` ends as any
// tool does.
func TestCheckConfigIsAnOrdinaryTool(t *testing.T) {
	cmd := command(t, "check-config", write(t, "skybridge.yml", "skydive: {analyzers: [ws://127.0.0.1:8082]}\n"))
	cmd.Stdout = goneReader(t)
	exit, ok := errors.AsType[*exec.ExitError](cmd.Run())
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGPIPE {
		t.Errorf("ended with %v, want death by SIGPIPE", exit)
	}
}
