// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/skydive-project/skybridge/benchmarks/oldway"
	"github.com/skydive-project/skybridge/benchmarks/world"
	"github.com/skydive-project/skybridge/bridge/skydive/decode"
	"github.com/skydive-project/skybridge/internal/analyzer"
)

// decode is the row of the decoder: the recordings of a real analyzer and the
// generated feed.
func (r *report) decode(ctx context.Context) ([]line, error) {
	s := spec{Updates: r.sizes.decodeFlows, Recordings: r.recordings, Begin: worldBegin}
	side := func(work string) func() (values, error) {
		s := s
		s.Work = work
		return func() (values, error) { return r.work(ctx, s) }
	}
	all, err := r.turns(side("decode ours"), side("decode theirs"))
	if err != nil {
		return nil, err
	}
	ours, theirs := all[0], all[1]
	var lines []line
	for _, part := range []string{"recorded", "generated"} {
		a, b := median(ours, part+" per flow"), median(theirs, part+" per flow")
		allocs := largest(ours, part+" allocs")
		lines = append(lines, line{
			path:    "decode, " + part + " messages: flows/s/core",
			ours:    fmt.Sprintf("%s (%.0f ns, %.2f allocations a flow)", count(1/a), a*1e9, allocs),
			against: fmt.Sprintf("%s (%.0f ns, %.0f allocations a flow), encoding/json", count(1/b), b*1e9, median(theirs, part+" allocs")),
			ratio:   times(b / a), bar: "10 ×, 0 allocations",
			reached: new(b/a >= 10 && allocs < 0.005),
		})
	}
	return lines, nil
}

// messages are what the decoders decode, by where they come from.
func (w *worker) messages() (map[string][][]byte, error) {
	recorded, err := recordings(w.Recordings)
	if err != nil {
		return nil, err
	}
	var generated [][]byte
	world := world.World{Begin: w.Begin}
	for i := range 100 {
		generated = append(generated, world.AppendMessage(nil, i*100, 100, 3))
	}
	return map[string][][]byte{"recorded": recorded, "generated": generated}, nil
}

// recordings reads every message with flows of the recordings in a directory.
func recordings(dir string) (messages [][]byte, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no recordings in %q (%w): name their directory with -recordings", dir, errors.Join(err, os.ErrNotExist))
	}
	for _, file := range files {
		texts, err := analyzer.Recording(file)
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			if flows, err := oldway.Decode(text); err == nil && len(flows) > 0 {
				messages = append(messages, text)
			}
		}
	}
	return messages, nil
}

func (w *worker) decodeOurs(context.Context) (values, error) {
	var m decode.Message
	return w.decodeWith(func(message []byte) (int, error) {
		err := decode.Decode(message, &m)
		return len(m.Flows) + m.Malformed, err
	})
}

func (w *worker) decodeTheirs(context.Context) (values, error) {
	return w.decodeWith(func(message []byte) (int, error) {
		flows, err := oldway.Decode(message)
		return len(flows), err
	})
}

// decodeWith measures a decoder with each kind of message.
func (w *worker) decodeWith(decode func([]byte) (int, error)) (values, error) {
	kinds, err := w.messages()
	if err != nil {
		return nil, err
	}
	out := values{}
	for kind, messages := range kinds {
		pass := func() (flows int, err error) {
			for _, message := range messages {
				n, err := decode(message)
				if err != nil {
					return 0, err
				}
				flows += n
			}
			return flows, nil
		}
		flows, err := pass() // buffers grow
		if err != nil {
			return nil, err
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		began, err := cpu()
		if err != nil {
			return nil, err
		}
		decoded := 0
		for decoded < w.Updates {
			if _, err := pass(); err != nil {
				return nil, err
			}
			decoded += flows
		}
		ended, err := cpu()
		if err != nil {
			return nil, err
		}
		runtime.ReadMemStats(&after)
		out[kind+" per flow"] = (ended - began).Seconds() / float64(decoded)
		out[kind+" allocs"] = float64(after.Mallocs-before.Mallocs) / float64(decoded)
	}
	return out, nil
}
