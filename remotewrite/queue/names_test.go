// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// namesFor returns the names of endpoints, given as pairs of identity and text.
func namesFor(pairs ...string) map[Hash]string {
	names := make(map[Hash]string)
	for i := 0; i < len(pairs); i += 2 {
		names[HashOf([]byte(pairs[i]))] = pairs[i+1]
	}
	return names
}

// namesAt is the text of an endpoint's names at a tick, "": it is not known.
func namesAt(m *marks, id string, number uint64) string {
	text, _ := m.at(HashOf([]byte(id)), number)
	return text
}

// TestMarks proves which names hold for a tick: those of the last mark before it,
// and for an endpoint that is not in it those of the nearest that has it.
func TestMarks(t *testing.T) {
	var m marks
	if got := namesAt(&m, "a", 5); got != "" {
		t.Errorf("of nothing %q is known", got)
	}
	for _, add := range []struct {
		from  uint64
		names map[Hash]string
	}{
		{5, namesFor("a", "one")},
		{7, namesFor("a", "one")},             // the same: no mark
		{9, namesFor("a", "two", "b", "two")}, // taken back before any tick
		{9, namesFor("a", "one")},
		{12, namesFor("a", "x")}, // replaced before any tick
		{12, namesFor("a", "two", "b", "b")},
		{20, namesFor("b", "c")}, // a is gone
	} {
		if dropped := m.add(&mark{from: add.from, names: add.names}); dropped != nil {
			t.Errorf("mark from %d was dropped", dropped.from)
		}
	}
	if len(m.list) != 3 {
		t.Errorf("%d marks", len(m.list))
	}
	for _, c := range []struct {
		id     string
		number uint64
		want   string
	}{
		{"a", 1, "one"}, {"a", 5, "one"}, {"a", 11, "one"}, {"a", 12, "two"}, {"a", 19, "two"}, {"a", 25, "two"},
		{"b", 1, "b"}, {"b", 12, "b"}, {"b", 19, "b"}, {"b", 20, "c"}, {"c", 12, ""},
	} {
		if got := namesAt(&m, c.id, c.number); got != c.want {
			t.Errorf("%s at %d is called %q, want %q", c.id, c.number, got, c.want)
		}
	}
}

// TestMarksBound proves that marks are bounded, and that it is counted where an
// endpoint is so far behind that it needs one that went.
func TestMarksBound(t *testing.T) {
	r := newRig(t, Config{})
	for _, behind := range []bool{false, true} {
		c := r.log.Cursor("a", nil)
		for i := range maxMarks + 2 {
			if r.log.SetNames(namesFor("a", fmt.Sprint(behind, i)), false) {
				t.Error("names differ that no one keeps")
			}
			n, at := r.log.LastTick()
			r.value(at+1000, 0, false, float64(n))
			if !behind {
				take(t, c)
				c.Done("", false)
			}
		}
		if n := len(r.log.marks.list); n != maxMarks {
			t.Errorf("%d marks", n)
		}
		want := 0.0
		if behind {
			want = 2
		}
		r.wantMetric(want, "skybridge_log_marks_dropped_total")
		c.Close()
	}
	if n := r.count("names have changed too often"); n != 2 {
		t.Errorf("logged %d times", n)
	}
}

// marksFile is where the marks of a log in "log" are.
const marksFile = "log/" + markName

// understood is [Config.CheckNames] of these tests.
func understood(text string) (string, error) {
	if text == "odd" {
		return "", errors.New("not understood")
	}
	return text, nil
}

// TestMarkFile proves that marks are read as they were written, and that the same text
// is there once.
func TestMarkFile(t *testing.T) {
	var m marks
	for i := range 10 {
		text := fmt.Sprint("a text ", i/9)
		m.add(&mark{from: uint64(i + 1), external: []wire.Label{{Name: "zone", Value: fmt.Sprint(i)}}, names: namesFor("a", text, "b", "", "c", text)})
	}
	b := appendMarks(nil, m.list)
	if n := strings.Count(string(b), "a text"); n != 2 {
		t.Errorf("a text is there %d times, want 2", n)
	}
	found, problems, err := parseMarks(b, understood)
	if err != nil || len(problems) > 0 || len(found) != 10 {
		t.Fatalf("%+v, %v, %v", found, problems, err)
	}
	for i, got := range found {
		if !got.sameNames(m.list[i]) || got.from != m.list[i].from {
			t.Errorf("mark %d: %+v, want %+v", i, got, m.list[i])
		}
	}
	if !bytes.Equal(b, appendMarks(nil, found)) {
		t.Error("it is written differently")
	}
}

// TestMarksNotUnderstood proves that names of an endpoint that this version does
// not understand leave the others alone, and are counted.
func TestMarksNotUnderstood(t *testing.T) {
	d := disktest.New(1)
	if err := writeMarks(d, marksFile, []*mark{{from: 3, names: namesFor("a", "one", "b", "odd")}, {from: 5, names: namesFor("a", "two")}}); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, Config{FS: d, CheckNames: understood})
	l := r.log
	// No tick is there, so all of it is past: the last names hold from the first on.
	if got := namesAt(&l.marks, "a", 1); got != "two" || namesAt(&l.marks, "b", 1) != "" || len(l.marks.list) != 1 {
		t.Errorf("a is called %q, %d marks", got, len(l.marks.list))
	}
	r.wantMetric(1, "skybridge_log_corruptions_total")
	// That the marks now begin earlier must be durable before the ticks are.
	c := l.Cursor("a", nil)
	appendTo(t, l, l.Begin(1000))
	found, _, err := readMarks(d, marksFile, understood)
	if err != nil || len(found) != 1 || found[0].from != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	closeLog(t, l, c)
}

// FuzzMarks proves that no bytes make the reading of marks panic, and that what
// was read is written and read again as the same.
func FuzzMarks(f *testing.F) {
	var m marks
	m.add(&mark{from: 1, external: []wire.Label{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}, names: namesFor("a", "one", "b", "two")})
	m.add(&mark{from: 9, names: namesFor("a", "three")})
	f.Add(appendMarks(nil, m.list))
	f.Add(appendMarks(nil, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		found, _, err := parseMarks(b, understood)
		if err != nil {
			return
		}
		again, problems, err := parseMarks(appendMarks(nil, found), understood)
		if err != nil || len(problems) > 0 || !bytes.Equal(appendMarks(nil, found), appendMarks(nil, again)) {
			t.Fatalf("%+v became %+v, %v, %v", found, again, problems, err)
		}
	})
}

// TestMarksFitTheirFile proves that no more marks are kept than can be read again, the
// newest of them, and that names which many of them have in common are no reason to drop
// any.
func TestMarksFitTheirFile(t *testing.T) {
	const large = 15 << 20
	d := disktest.New(1)
	written := func(m *marks) int {
		t.Helper()
		if err := writeMarks(d, marksFile, m.list); err != nil {
			t.Fatal(err)
		}
		found, problems, err := readMarks(d, marksFile, understood)
		if err != nil || len(problems) > 0 || len(found) != len(m.list) {
			t.Fatalf("%d of %d marks are read: %v, %v", len(found), len(m.list), err, problems)
		}
		return len(found)
	}

	var m marks
	dropped := 0
	for i := range 5 {
		if m.add(&mark{from: uint64(i + 1), names: namesFor("a", strings.Repeat(string(rune('a'+i)), large))}) != nil {
			dropped++
		}
	}
	if n := written(&m); n != maxMarkFile/large || n+dropped != 5 || m.last().from != 5 {
		t.Errorf("%d marks are left, %d were dropped, the last is from %d", n, dropped, m.last().from)
	}

	m = marks{}
	common := namesFor("a", strings.Repeat("a", large/4))
	for i := range 30 {
		names := namesFor("b", fmt.Sprint(i))
		names[HashOf([]byte("a"))] = common[HashOf([]byte("a"))]
		if m.add(&mark{from: uint64(i + 1), names: names}) != nil {
			t.Fatalf("mark %d had no room", i)
		}
	}
	if n := written(&m); n != 30 {
		t.Errorf("%d marks are left", n)
	}

	// One that is too large by itself is not written: the file before it stays.
	m.add(&mark{from: 200, names: map[Hash]string{{}: strings.Repeat("z", maxMarkFile)}})
	if err := writeMarks(d, marksFile, m.list); err == nil || len(m.list) != 1 {
		t.Errorf("%d marks: %v", len(m.list), err)
	}
	if found, _, err := readMarks(d, marksFile, understood); len(found) != 30 || err != nil {
		t.Errorf("%d marks are left: %v", len(found), err)
	}
}
