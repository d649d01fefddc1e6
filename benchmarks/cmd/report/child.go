// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
)

// child is a worker from the report's side. Its methods are safe for concurrent use.
type child struct {
	command  *exec.Cmd
	in       io.WriteCloser
	usages   chan values
	progress atomic.Int64
	moved    chan struct{} // after progress

	done   chan struct{} // closed when the worker has ended
	result values
	err    error

	asking sync.Mutex
}

// start starts a worker.
func (r *report) start(ctx context.Context, s spec) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program for a worker: %w", err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("describe the work: %w", err)
	}
	c := &child{command: exec.CommandContext(ctx, self), usages: make(chan values, 1), moved: make(chan struct{}, 1), done: make(chan struct{})}
	c.command.Env = append(os.Environ(), workerVariable+"="+string(text))
	c.command.Stderr = r.progress
	if c.in, err = c.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("worker %s: %w", s.Work, err)
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("worker %s: %w", s.Work, err)
	}
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("worker %s: %w", s.Work, err)
	}
	go func() {
		defer close(c.done)
		c.listen(out)
		if err := c.command.Wait(); c.err == nil && err != nil {
			c.err = err
		}
		if c.err == nil && c.result == nil {
			c.err = errors.New("it ended without a result")
		}
		if c.err != nil {
			c.err = fmt.Errorf("worker %s: %w", s.Work, c.err)
		}
	}()
	return c, nil
}

func (c *child) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var n note
		if json.Unmarshal(lines.Bytes(), &n) != nil {
			continue // a testing package's word at its end
		}
		switch {
		case n.Error != "":
			c.err = errors.New(n.Error)
		case n.Usage != nil:
			c.usages <- n.Usage
		case n.Result != nil:
			c.result = n.Result
		default:
			c.progress.Store(n.Progress)
			select {
			case c.moved <- struct{}{}:
			default:
			}
		}
	}
}

// usage asks for what the worker has used so far.
func (c *child) usage() (values, error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	if _, err := fmt.Fprintln(c.in, commandUsage); err != nil {
		return nil, errors.Join(fmt.Errorf("ask a worker: %w", err), c.err)
	}
	select {
	case v := <-c.usages:
		return v, nil
	case <-c.done:
		return nil, errors.Join(errors.New("a worker ended early"), c.err)
	}
}

// stop ends the worker in order, and returns its result.
func (c *child) stop() (values, error) {
	_ = c.in.Close() // it may have ended
	return c.wait()
}

// wait waits for its end.
func (c *child) wait() (values, error) {
	<-c.done
	return c.result, c.err
}

// work runs a worker that needs nobody.
func (r *report) work(ctx context.Context, s spec) (values, error) {
	dir, remove, err := r.disk()
	if err != nil {
		return nil, err
	}
	defer remove()
	s.Dir = dir
	c, err := r.start(ctx, s)
	if err != nil {
		return nil, err
	}
	return c.wait()
}
