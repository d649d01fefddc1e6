// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/input"
)

// namesRig has names of addresses: k is called "name of k".
type namesRig struct {
	*Names
	evicted int
}

func newNamesRig(most int) *namesRig {
	r := &namesRig{}
	r.Names = NewNames(func() {}, func() { r.evicted++ })
	r.Bound(most)
	return r
}

func (r *namesRig) set(how input.Refresh, keys ...string) {
	var rows []input.AddressName
	for _, k := range keys {
		rows = append(rows, input.AddressName{Address: []byte(k), Name: []byte("name of " + k)})
	}
	r.SetAddresses(rows, how)
}

func (r *namesRig) gone(key string) {
	r.SetAddresses([]input.AddressName{{Address: []byte(key), Gone: true}}, input.Refresh{})
}

// expect asks for keys, which all have a name, or none.
func (r *namesRig) expect(t *testing.T, known bool, keys ...string) {
	t.Helper()
	for _, k := range keys {
		want := ""
		if known {
			want = "name of " + k
		}
		if got := r.Address([]byte(k)); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
}

func (r *namesRig) expectWanted(t *testing.T, want ...string) {
	t.Helper()
	signalled := len(r.Wanted()) > 0
	if signalled {
		<-r.Wanted()
	}
	if _, got := r.TakeWanted(); !slices.Equal(got, want) || signalled != (len(want) > 0) {
		t.Errorf("%q are wanted, want %q; signalled: %v", got, want, signalled)
	}
}

// TestNamesInUseStay proves that above the bound a name that is not in use is evicted, and that
// one which was evicted is wanted when it is used again.
func TestNamesInUseStay(t *testing.T) {
	r := newNamesRig(3)
	r.set(input.Refresh{Whole: true, End: true}, "a", "b", "c")
	r.expect(t, true, "a", "c")
	r.set(input.Refresh{}, "d")
	r.expect(t, true, "a", "c", "d")
	r.expectWanted(t)
	r.expect(t, false, "b")
	r.expectWanted(t, "b")
	r.set(input.Refresh{}, "b", "e")
	if _, addresses := r.Len(); r.evicted != 3 || addresses != 3 {
		t.Errorf("%d evicted and %d names, want 3 and 3", r.evicted, addresses)
	}
	r.Bound(1)
	if _, addresses := r.Len(); r.evicted != 5 || addresses != 1 {
		t.Errorf("%d evicted and %d names after the bound was lowered, want 5 and 1", r.evicted, addresses)
	}
}

// TestWholeRefresh proves that a refresh that states everything removes what it does not state,
// when it ends and no sooner, also where the process that began one died.
func TestWholeRefresh(t *testing.T) {
	r := newNamesRig(0)
	r.set(input.Refresh{Whole: true, End: true}, "a", "b", "c")
	r.set(input.Refresh{Whole: true}, "a")
	r.expect(t, true, "a", "b", "c")
	r.set(input.Refresh{Whole: true}, "b")
	r.set(input.Refresh{}, "d")
	r.expect(t, true, "a", "b", "c", "d")
	r.set(input.Refresh{End: true})
	r.expect(t, true, "b", "d")
	r.expect(t, false, "a", "c")
	r.set(input.Refresh{End: true}, "a") // what has changed, and no more
	r.gone("d")
	r.gone("x")
	r.expect(t, true, "a", "b")
	r.expect(t, false, "d")
	if r.evicted != 0 {
		t.Errorf("%d evicted", r.evicted)
	}
}

// TestUnknownNamesAreWantedOnce proves that an unknown key is wanted once, until very many
// others were, or it was known meanwhile; and that what nothing takes is bounded.
func TestUnknownNamesAreWantedOnce(t *testing.T) {
	r := newNamesRig(3)
	for range 3 {
		r.expect(t, false, "x", "")
	}
	r.expectWanted(t, "x")
	r.expect(t, false, "x")
	r.expectWanted(t)
	r.set(input.Refresh{}, "x")
	r.gone("x")
	r.expect(t, false, "x")
	r.expectWanted(t, "x")
	for i := range 5 * maxWanted {
		r.expect(t, false, fmt.Sprint(i))
		if i%maxWanted == 0 {
			r.TakeWanted()
		}
	}
	if w := &r.addresses.wanted; len(w.recent)+len(w.before) > 2*maxWanted {
		t.Errorf("%d and %d unknown keys are kept", len(w.recent), len(w.before))
	}
	<-r.Wanted()
	r.TakeWanted()
	r.expect(t, false, "x")
	r.expectWanted(t, "x")
	for i := range 3 * maxWanted {
		r.expect(t, false, fmt.Sprint("more ", i))
	}
	if _, keys := r.TakeWanted(); len(keys) > maxWanted {
		t.Errorf("%d keys wait to be taken", len(keys))
	}
}

// TestNamesModel proves that names are what the rows say, whatever the order, and that within
// the bound none is missing; and that restored names continue so.
func TestNamesModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		most := rapid.IntRange(0, 8).Draw(r, "most")
		n := newNamesRig(most)
		want, stated, whole := map[string]string{}, map[string]bool{}, false
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			if rapid.IntRange(0, 5).Draw(r, "restore") == 0 {
				nodes, addresses := n.State()
				addresses.All = slices.Clone(addresses.All)
				n = newNamesRig(most)
				n.Restore(nodes, addresses)
			}
			how := input.Refresh{Whole: rapid.IntRange(0, 4).Draw(r, "whole") == 0, End: rapid.Bool().Draw(r, "end")}
			if how.Whole {
				clear(stated)
				whole = true
			}
			var rows []input.AddressName
			for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}), 0, 6).Draw(r, "keys") {
				row := input.AddressName{Address: []byte(key), Gone: rapid.IntRange(0, 3).Draw(r, "gone") == 0}
				if delete(want, key); !row.Gone {
					row.Name = []byte(rapid.SampledFrom([]string{"x", "y"}).Draw(r, "name"))
					want[key], stated[key] = string(row.Name), true
				}
				rows = append(rows, row)
			}
			n.SetAddresses(rows, how)
			if whole && how.End {
				maps.DeleteFunc(want, func(key, _ string) bool { return !stated[key] })
				whole = false
			}
			got := map[string]string{}
			for _, s := range n.addresses.list {
				if got[s.Key] = n.Address([]byte(s.Key)); got[s.Key] != want[s.Key] {
					r.Fatalf("%s is %q, want %q", s.Key, got[s.Key], want[s.Key])
				}
			}
			if len(got) != len(n.addresses.byKey) || most > 0 && len(got) > most {
				r.Fatalf("%d names, %d keys, of %d at most", len(got), len(n.addresses.byKey), most)
			}
			if most == 0 {
				if diff := cmp.Diff(want, got); diff != "" {
					r.Fatalf("(-want +got)\n%s", diff)
				}
			}
		}
	})
}

// BenchmarkName looks a known name up, as each record that counts does.
func BenchmarkName(b *testing.B) {
	r := newNamesRig(100_000)
	var keys [][]byte
	for i := range 100_000 {
		key := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
		keys = append(keys, []byte(key))
		r.set(input.Refresh{}, key)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Address(keys[i%len(keys)])
	}
}

// BenchmarkWholeRefresh ends a whole refresh that removes every other one of 100,000 names.
func BenchmarkWholeRefresh(b *testing.B) {
	r := newNamesRig(100_000)
	var half []string
	for b.Loop() {
		b.StopTimer()
		half = half[:0]
		for i := range 100_000 {
			key := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
			r.set(input.Refresh{}, key)
			if i%2 == 0 {
				half = append(half, key)
			}
		}
		b.StartTimer()
		r.set(input.Refresh{Whole: true})
		b.StopTimer()
		r.set(input.Refresh{}, half...)
		b.StartTimer()
		r.set(input.Refresh{End: true})
	}
}
