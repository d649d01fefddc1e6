// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child is a process that is measured.
type child struct {
	command *exec.Cmd
	alive   context.Context // done when the process has ended, with the reason as its cause
	err     error           // of its end, once alive is done
}

// start starts a program. It is asked to end (SIGTERM) when ctx is done.
func (r *report) start(ctx context.Context, environment []string, program string, args ...string) (*child, error) {
	c := &child{command: exec.CommandContext(ctx, program, args...)}
	c.command.Env = append(os.Environ(), environment...)
	c.command.Stdout, c.command.Stderr = r.progress, r.progress
	c.command.Cancel = func() error { return c.command.Process.Signal(syscall.SIGTERM) }
	c.command.WaitDelay = time.Minute
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	alive, ended := context.WithCancelCause(context.WithoutCancel(ctx))
	c.alive = alive
	go func() {
		if c.err = c.command.Wait(); c.err != nil {
			c.err = fmt.Errorf("%s: %w", program, c.err)
		}
		ended(errors.Join(errors.New("the process has ended"), c.err))
	}()
	return c, nil
}

// stop ends the process in order.
func (c *child) stop() error {
	_ = c.command.Process.Signal(syscall.SIGTERM) // it may have ended
	<-c.alive.Done()
	return c.err
}

func (c *child) pid() int { return c.command.Process.Pid }

// workerVariable in the environment makes a process a worker: it holds the spec of
// what to do.
const workerVariable = "SKYBRIDGE_REPORT_WORKER"

// worker starts this program again, as a worker.
func (r *report) worker(ctx context.Context, s spec) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program for a worker: %w", err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("describe the work: %w", err)
	}
	return r.start(ctx, []string{workerVariable + "=" + string(text)}, self)
}

// workerMain does what the environment says until SIGTERM and returns the process' exit
// code.
func workerMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var s spec
	err := json.Unmarshal([]byte(os.Getenv(workerVariable)), &s)
	if err == nil {
		switch s.Work {
		case oldConnector:
			err = s.ingestOld(ctx)
		case prometheusAgent:
			err = s.pushPrometheus(ctx)
		default:
			err = errors.New("no such work: " + s.Work)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return 0
}

// cpu is what a process has used of all cores, system calls included. A clock id is made
// of a process id as the C library's clock_getcpuclockid does.
func cpu(pid int) (time.Duration, error) {
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &used); err != nil {
		return 0, fmt.Errorf("ask for the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(used.Nano()), nil
}

// resident is what a process has in memory in bytes, now and at most.
func resident(pid int) (now, most float64, err error) {
	for name, value := range map[string]*float64{"VmRSS": &now, "VmHWM": &most} {
		var kilobytes float64
		if _, err := fmt.Sscanf(field(fmt.Sprintf("/proc/%d/status", pid), name), "%f kB", &kilobytes); err != nil {
			return 0, 0, fmt.Errorf("read %s of process %d: %w", name, pid, err)
		}
		*value = kilobytes * 1024
	}
	return now, most, nil
}

// field returns the value of a line "name: value" of a file under /proc.
func field(file, name string) string {
	text, _ := os.ReadFile(file) // absent: no value
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
