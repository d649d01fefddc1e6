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
	"sync"
	"time"
)

// workerVariable in the environment makes a process a worker: it holds the spec of
// what to measure.
const workerVariable = "SKYBRIDGE_REPORT_WORKER"

// spec says what a worker does. Each kind of work uses some of the fields.
type spec struct {
	Work string
	// Dir is on the disk to measure with.
	Dir string
	// Feed and Receiver are URLs.
	Feed, Receiver string
	Connections    int
	// Warm updates come before those that count, of which there are Updates.
	Warm, Updates int
	// Times is how often something is repeated.
	Times int
	// Version2: push by remote-write 2.0.
	Version2 bool
	Interval time.Duration
	// Begin is that of the world in ms.
	Begin int64
	// Numbers of connections.
	Sizes []int
	// Profile, where given, is what the names of profile files begin with.
	Profile string
	// ProfileAfter is when a profile of a push begins.
	ProfileAfter time.Duration
	// Recordings is where those of a real analyzer lie.
	Recordings string
}

// note is a line that a worker writes.
type note struct {
	// Progress is how many updates it has counted.
	Progress int64 `json:",omitempty"`
	// Usage answers the command of that name.
	Usage values `json:",omitempty"`
	// Result is the last.
	Result values `json:",omitempty"`
	Error  string `json:",omitempty"`
}

// worker is the side of a worker that speaks to the report.
type worker struct {
	spec
	mu  sync.Mutex
	out *json.Encoder
	err io.Writer
}

// workerMain does what the environment says and returns the process' exit code. The
// worker ends early when in ends or says so.
func workerMain(in io.Reader, out, stderr io.Writer) int {
	w := &worker{out: json.NewEncoder(out), err: stderr}
	result, err := w.do(in)
	if err != nil {
		w.tell(note{Error: err.Error()})
		return 1
	}
	w.tell(note{Result: result})
	return 0
}

func (w *worker) do(in io.Reader) (values, error) {
	if err := json.Unmarshal([]byte(os.Getenv(workerVariable)), &w.spec); err != nil {
		return nil, fmt.Errorf("read %s: %w", workerVariable, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go w.obey(in, cancel)
	work, ok := works()[w.Work]
	if !ok {
		return nil, fmt.Errorf("no work is called %q", w.Work)
	}
	result, err := work(w, ctx)
	if err != nil {
		return nil, err
	}
	now, most, err := resident(os.Getpid())
	if err != nil {
		return nil, err
	}
	if result == nil {
		result = values{}
	}
	result["resident"], result["most resident"] = now, most
	return result, nil
}

func works() map[string]func(*worker, context.Context) (values, error) {
	return map[string]func(*worker, context.Context) (values, error){
		"decode ours":   (*worker).decodeOurs,
		"decode theirs": (*worker).decodeTheirs,
		"ingest ours":   (*worker).ingestOurs,
		"ingest theirs": (*worker).ingestTheirs,
		"retained":      (*worker).retained,
		"scrape ours":   (*worker).scrapeOurs,
		"scrape theirs": (*worker).scrapeTheirs,
		"push ours":     (*worker).pushOurs,
		"push theirs":   (*worker).pushTheirs,
		"churn":         (*worker).churn,
		"growth":        (*worker).growth,
	}
}

// obey follows the commands that come in, a line each.
func (w *worker) obey(in io.Reader, stop context.CancelFunc) {
	defer stop()
	for s := bufio.NewScanner(in); s.Scan(); {
		switch s.Text() {
		case commandUsage:
			used, err := cpu()
			if err != nil {
				w.tell(note{Error: err.Error()})
				return
			}
			now, most, _ := resident(os.Getpid()) // shown only
			w.tell(note{Usage: values{"cpu": used.Seconds(), "resident": now, "most resident": most}})
		case commandStop:
			return
		}
	}
}

const (
	commandUsage = "usage"
	commandStop  = "stop"
)

func (w *worker) tell(n note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.out.Encode(n) // who does not listen any more has given up
}

// progress tells how far the work is, often enough for the feed's window, until ctx is
// done; then once more.
func (w *worker) progress(ctx context.Context, count func() int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	told := int64(0)
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-tick.C:
		}
		if n := count(); n != told {
			w.tell(note{Progress: n})
			told = n
		}
	}
}

var errStopped = errors.New("stopped before the work was done")
