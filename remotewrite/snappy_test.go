// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/binary"
	"testing"

	"github.com/golang/snappy"
	"pgregory.net/rapid"
)

// TestSnappyWriter proves that golang/snappy unpacks what was written, whatever repeats
// what: near and far, short and long, into itself.
func TestSnappyWriter(t *testing.T) {
	var w snappyWriter
	var buf []byte
	rapid.Check(t, func(t *rapid.T) {
		w.begin(buf)
		var want []byte
		write := func(b []byte) {
			w.write(b)
			want = append(want, b...)
		}
		length := rapid.OneOf(rapid.IntRange(0, 12), rapid.IntRange(50, 70), rapid.IntRange(0, 300))
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			switch step := rapid.IntRange(0, 4).Draw(t, "step"); {
			case step == 0:
				write(rapid.SliceOfN(rapid.Byte(), 0, 150).Draw(t, "bytes"))
			case step == 1:
				n, v := rapid.IntRange(1, 8).Draw(t, "n"), rapid.Uint64().Draw(t, "word")
				w.writeWord(v, n)
				want = append(want, binary.LittleEndian.AppendUint64(nil, v)[:n]...)
			case step == 2 && len(want) < 1<<20:
				write(make([]byte, 1<<16+rapid.IntRange(-2, 2).Draw(t, "more")))
			case len(want) > 0:
				back := rapid.OneOf(rapid.IntRange(1, len(want)), rapid.IntRange(1, min(len(want), 20)), rapid.IntRange(min(len(want), 2046), min(len(want), 2050))).Draw(t, "back")
				for range rapid.IntRange(1, 2).Draw(t, "times") { // the second goes on from the first
					n := length.Draw(t, "length")
					src := len(want) - back
					w.repeat(uint32(src), uint32(n))
					for i := range n {
						want = append(want, want[src+i])
					}
				}
			}
		}
		var text []byte
		text, buf = w.end()
		got, err := snappy.Decode(nil, text)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("%d bytes in place of %d, other ones from %d", len(got), len(want), commonPrefix(got, want))
		}
	})
}
