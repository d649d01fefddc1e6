// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/bridge/skydive/decode"
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
	split := twoFrameMessages(t, frames)

	for _, size := range []int{1, 1000, 1 << 20} {
		l := listen(t)
		served := make(chan error, 1)
		go func() { served <- replay(l, head, frames, size) }()
		r := newRig(t, Config{Analyzers: []string{"ws://" + l.Addr().String()}}, func(f *Feed) {
			f.timing.closing = 50 * time.Millisecond // a recording does not answer
		}).run(t)

		var want []aggregator.Flow
		messages := recorded(t, "session-mixed")
		for _, text := range messages {
			var m decode.Message // of its own, for what it aliases is kept
			if err := decode.Decode(text, &m); err != nil {
				t.Fatal(err)
			}
			want = append(want, m.Flows...)
		}
		await.Until(t, "all flows", func() bool { return r.sink.received() >= len(want) })
		r.stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, r.sink.flows, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("in pieces of %d bytes\n%s", size, diff)
		}
		if len(want) != 745 || split < len(messages)/2 {
			t.Errorf("%d flows, %d of %d messages in two frames: not the recording that it was", len(want), split, len(messages))
		}
	}
}

// replay is the analyzer of one recorded connection. Only the key that answers
// the request is new.
func replay(l net.Listener, head, frames []byte, size int) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	req, err := http.ReadRequest(in)
	if err != nil {
		return err
	}
	hash := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 section 1.3
	var out bytes.Buffer
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if bytes.HasPrefix(line, []byte("Sec-WebSocket-Accept:")) {
			line = []byte("Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(hash[:]))
		}
		out.Write(line)
		out.WriteString("\r\n")
	}
	out.WriteString("\r\n")
	out.Write(frames)
	for rest := out.Bytes(); len(rest) > 0; {
		n := min(size, len(rest))
		if size == 1 && len(rest) < out.Len()-2000 {
			n = len(rest) // byte by byte is enough for the beginning
		}
		if _, err := c.Write(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	// The bridge pongs, and sends a close frame at its end.
	for {
		if _, err := in.ReadByte(); err != nil {
			return nil
		}
	}
}

// twoFrameMessages counts the data messages of unmasked frames that end in an
// empty frame of their own.
func twoFrameMessages(t *testing.T, frames []byte) int {
	t.Helper()
	n := 0
	for i := 0; i+2 <= len(frames); {
		fin, opcode, size := frames[i]&0x80 != 0, frames[i]&0x0f, int(frames[i+1]&0x7f)
		i += 2
		switch size {
		case 126:
			size = int(frames[i])<<8 | int(frames[i+1])
			i += 2
		case 127:
			size = 0
			for _, c := range frames[i : i+8] {
				size = size<<8 | int(c)
			}
			i += 8
		}
		if fin && opcode == 0 && size == 0 {
			n++
		}
		i += size
	}
	return n
}
