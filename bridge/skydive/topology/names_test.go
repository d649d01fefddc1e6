// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

type namesRig struct {
	*names[string]
	asked int
	now   time.Time
}

func newNamesRig(size int) *namesRig {
	r := &namesRig{now: time.UnixMilli(1_800_000_000_000)}
	counter := func(name string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name})
	}
	r.names = newNames[string](size, counter("evicted"), counter("unknown"), func() { r.asked++ })
	return r
}

func (r *namesRig) expect(t *testing.T, key, want string) {
	t.Helper()
	if got := r.get([]byte(key)); got != want {
		t.Errorf("%s is %q, want %q", key, got, want)
	}
}

// namesOf makes names of keys: k is K.
func namesOf(keys ...string) map[string]string {
	m := map[string]string{}
	for _, k := range keys {
		m[k] = "name of " + k
	}
	return m
}

// TestNamesInUseStay evicts those unused longest, and takes those asked for first.
func TestNamesInUseStay(t *testing.T) {
	r := newNamesRig(3)
	r.refresh(namesOf("a", "b", "c"), r.now)
	r.expect(t, "a", "name of a")
	r.expect(t, "b", "name of b")
	r.expect(t, "c", "name of c")
	r.expect(t, "a", "name of a") // b is the one unused longest now
	r.expect(t, "x", "")
	r.refresh(namesOf("a", "b", "c", "x", "y", "z"), r.now)
	if r.count() != 3 {
		t.Errorf("%d names", r.count())
	}
	r.expect(t, "x", "name of x")
	r.expect(t, "a", "name of a")
	r.expect(t, "c", "name of c")
	if got := testutil.ToFloat64(r.evicted); got != 3 { // b, y and z
		t.Errorf("%v evicted", got)
	}
	r.size = 1
	r.refresh(namesOf("a", "c"), r.now)
	r.expect(t, "c", "name of c")
	if r.count() != 1 {
		t.Errorf("%d names after the resize", r.count())
	}
}

// TestPeekChangesNothing looks without asking and without using.
func TestPeekChangesNothing(t *testing.T) {
	r := newNamesRig(2)
	r.refresh(namesOf("a", "b"), r.now)
	r.expect(t, "a", "name of a")
	r.expect(t, "b", "name of b") // a is the one unused longest now
	if got := r.peek("a"); got != "name of a" {
		t.Errorf("a is %q", got)
	}
	if got := r.peek("x"); got != "" || r.asked != 0 || testutil.ToFloat64(r.unknown) != 0 {
		t.Errorf("x is %q, asked %d times", got, r.asked)
	}
	r.size = 1
	r.refresh(namesOf("a", "b"), r.now)
	r.expect(t, "b", "name of b")
	r.now = r.now.Add(goneFor + time.Second)
	r.refresh(namesOf(), r.now)
	if got := r.peek("b"); got != "" {
		t.Errorf("what is gone is %q", got)
	}
}

// TestUnknownNamesAskOnce: a key that is unknown asks once, until very many
// others have.
func TestUnknownNamesAskOnce(t *testing.T) {
	r := newNamesRig(3)
	for range 3 {
		r.expect(t, "x", "")
	}
	r.refresh(namesOf("a"), r.now)
	r.expect(t, "x", "")
	if r.asked != 1 || testutil.ToFloat64(r.unknown) != 1 {
		t.Errorf("asked %d times", r.asked)
	}
	for i := range 5 * maxAsked {
		r.get(fmt.Appendf(nil, "key %d", i))
	}
	if len(r.names.asked)+len(r.askedBefore) > 2*maxAsked {
		t.Errorf("%d and %d unknown keys are kept", len(r.names.asked), len(r.askedBefore))
	}
	before := r.asked
	r.expect(t, "x", "")
	if r.asked != before+1 {
		t.Error("it is remembered for ever")
	}
	for _, key := range []string{"", string(make([]byte, 1000))} {
		before := r.asked
		r.expect(t, key, "")
		if r.asked != before {
			t.Error("asked for what no name has")
		}
	}
}

// TestGoneNamesLinger: what is gone keeps its name for its last flows, and longer
// while no analyzer answers.
func TestGoneNamesLinger(t *testing.T) {
	r := newNamesRig(2)
	r.refresh(namesOf("a", "b"), r.now)
	r.expect(t, "a", "name of a")
	r.refresh(namesOf("b"), r.now.Add(goneFor))
	r.expect(t, "a", "name of a")
	r.refresh(map[string]string{"b": "other"}, r.now.Add(goneFor+time.Second))
	r.expect(t, "a", "")
	r.expect(t, "b", "other")
	// One that is gone makes room.
	r.refresh(namesOf("c", "d"), r.now.Add(3*goneFor))
	r.expect(t, "c", "name of c")
	r.expect(t, "d", "name of d")
	r.clear()
	r.expect(t, "c", "")
}

// BenchmarkName looks a known name up, as each record that counts does.
func BenchmarkName(b *testing.B) {
	r := newNamesRig(100_000)
	all, keys := map[string]string{}, [][]byte{}
	for i := range 100_000 {
		key := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
		all[key], keys = "n", append(keys, []byte(key))
	}
	r.refresh(all, r.now)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.get(keys[i%len(keys)])
	}
}
