// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skydive-project/skybridge/bridge/skydive/decode"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/await"
)

// The bytes of a real analyzer's TCP connection, from its 101 on, are read off
// a real socket. Each of its large messages is two WebSocket frames: one with
// the text that says more is to come, then an empty last one.
func TestReplaysRawRecording(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "session-mixed.raw"))
	if err != nil {
		t.Fatal(err)
	}
	head, frames, ok := bytes.Cut(data, []byte("\r\n\r\n"))
	if !ok {
		t.Fatal("no end of the 101 answer")
	}
	for _, size := range []int{1, 1000, 1 << 20} {
		addr := answer(t, func(w io.Writer, req *http.Request) { replay(w, accept(req), head, frames, size) })
		r := newRig(t, Config{Analyzers: []string{"ws://" + addr}}, curt).run(t)

		var want []input.Flow
		for _, text := range recorded(t, "session-mixed") {
			var m decode.Message // of its own, for what it aliases is kept
			if err := decode.Decode(text, &m); err != nil {
				t.Fatal(err)
			}
			want = append(want, m.Flows...)
		}
		await.Until(t, "all flows", func() bool { return r.sink.received() >= len(want) })
		r.stop()
		if diff := cmp.Diff(want, r.sink.flows, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("in pieces of %d bytes\n%s", size, diff)
		}
		if len(want) != 745 {
			t.Errorf("%d flows: not the recording that it was", len(want))
		}
	}
}

// replay writes a recorded connection in pieces. Only the header that answers the request's
// key is new.
func replay(w io.Writer, accept string, head, frames []byte, size int) {
	answer := regexp.MustCompile(`Sec-WebSocket-Accept: .*\r\n`).ReplaceAllLiteral(slices.Concat(head, []byte("\r\n\r\n")), []byte(accept))
	all := slices.Concat(answer, frames)
	for rest := all; len(rest) > 0; {
		n := min(size, len(rest))
		if size == 1 && len(rest) < len(all)-2000 {
			n = len(rest) // byte by byte is enough for the beginning
		}
		if _, err := w.Write(rest[:n]); err != nil {
			return
		}
		rest = rest[n:]
	}
}
