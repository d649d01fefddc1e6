// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

// destination is standard error: each write waits for a token and ends with fail.
type destination struct {
	let  chan error // nil: it is written
	text bytes.Buffer
}

func (d *destination) Write(lines []byte) (int, error) {
	if err := <-d.let; err != nil {
		half := bytes.IndexByte(lines, '\n') + 1 // the first line gets out
		d.text.Write(lines[:half])
		return half, err
	}
	return d.text.Write(lines)
}

// newWriter returns a writer, a logger without times that writes there, and where that
// ends.
func newWriter() (*Writer, *slog.Logger, *destination) {
	d := &destination{let: make(chan error)}
	w := NewWriter(d)
	logger := slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	w.Report(logger)
	return w, logger, d
}

// TestWriterNeverWaits proves that lines that find no room behind a reader that does
// not read are dropped and counted, those before them kept, and that the log says so
// when it is read again.
func TestWriterNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, logger, d := newWriter()
		logger.Info("first")
		synctest.Wait() // being written
		line := strings.Repeat("x", 1000)
		for range 3000 {
			logger.Info(line)
		}
		size := len("level=INFO msg=\n") + len(line)
		if want := uint64(3000 - maxPending/size); w.Dropped() != want {
			t.Errorf("%d lines dropped, want %d", w.Dropped(), want)
		}
		before := time.Now()
		w.Flush(2 * time.Second)
		if waited := time.Since(before); waited != 2*time.Second {
			t.Errorf("waited %s for a reader that does not read, want 2s", waited)
		}
		close(d.let)
		w.Flush(time.Hour)
		lines := strings.Split(strings.TrimSpace(d.text.String()), "\n")
		if len(lines) != 1+maxPending/size+1 || lines[0] != "level=INFO msg=first" {
			t.Errorf("%d lines, the first %q", len(lines), lines[0])
		}
		missing := 3000 - maxPending/size
		if want := `level=WARN msg="the log could not be written for a while; lines are missing from it" lines=` + slog.IntValue(missing).String(); lines[len(lines)-1] != want {
			t.Errorf("the log does not say that %d lines are missing", missing)
		}
		if time.Since(before) != 2*time.Second {
			t.Error("Flush waits longer than for the last line")
		}
	})
}

// TestWriterRefused proves that lines which the destination refuses are counted, also
// where it took a part of them, and reported once they can be.
func TestWriterRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, logger, d := newWriter()
		logger.Info("a")
		synctest.Wait()
		logger.Info("b")
		logger.Info("c")
		logger.Info("d")
		full := errors.New("no space left on device")
		d.let <- full // a got out all the same
		d.let <- full // as b did
		synctest.Wait()
		if w.Dropped() != 2 {
			t.Errorf("%d lines dropped, want 2", w.Dropped())
		}
		logger.Info("e")
		close(d.let)
		w.Flush(time.Hour)
		want := "level=INFO msg=a\nlevel=INFO msg=b\nlevel=INFO msg=e\nlevel=WARN msg=\"the log could not be written for a while; lines are missing from it\" lines=2\n"
		if got := d.text.String(); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	})
}

// TestWriterKeepsNothing proves that a caller may use its line again.
func TestWriterKeepsNothing(t *testing.T) {
	d := &destination{let: make(chan error)}
	w := NewWriter(d)
	line := []byte("good\n")
	if n, err := w.Write(line); n != len(line) || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	copy(line, "evil")
	close(d.let)
	w.Flush(time.Minute)
	if d.text.String() != "good\n" {
		t.Errorf("%q", d.text.String())
	}
	var none *Writer
	if none.Dropped() != 0 {
		t.Error("a nil writer drops")
	}
	none.Flush(time.Hour)
}

// TestSeldom proves the documented pace: a message once a minute, each by itself, and
// how many were left out.
func TestSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		logger := RateLimited(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Duration(a.Key, time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
			}
			return a
		}})))
		part := logger.With("part", 1)
		for range 121 {
			logger.Warn("a", "x", 1)
			part.Warn("a")
			time.Sleep(time.Second / 2)
		}
		logger.Error("b")
		want := "time=0s level=WARN msg=a x=1\ntime=1m0s level=WARN msg=a x=1 not_logged=239\ntime=1m0.5s level=ERROR msg=b\n"
		if got := text.String(); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	})
}

// TestLimitReset proves that what is new is logged at once, and still with what was
// left out.
func TestLimitReset(t *testing.T) {
	var l Limit
	allow := func(want bool, held uint64) {
		t.Helper()
		notLogged, ok := l.Allow()
		if ok != want || ok && held > 0 && notLogged.Value.Uint64() != held {
			t.Errorf("%v, %v", notLogged, ok)
		}
	}
	allow(true, 0)
	allow(false, 0)
	allow(false, 0)
	l.Reset()
	allow(true, 2)
	allow(false, 0)
}

// BenchmarkWriter is what a line costs its caller.
func BenchmarkWriter(b *testing.B) {
	logger := slog.New(slog.NewTextHandler(NewWriter(io.Discard), nil))
	for b.Loop() {
		logger.Info("message", "key", "value")
	}
}
