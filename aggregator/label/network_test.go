// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// TestLongestPrefix holds the table against a search through all prefixes.
func TestLongestPrefix(t *testing.T) {
	address := func(r *rapid.T, name string) netip.Addr {
		// Few bits vary, so that prefixes nest.
		low := byte(rapid.IntRange(0, 15).Draw(r, name+" low"))
		high := byte(rapid.IntRange(0, 3).Draw(r, name+" high"))
		if rapid.Bool().Draw(r, name+" is v4") {
			return netip.AddrFrom4([4]byte{10, high, 0, low})
		}
		return netip.AddrFrom16([16]byte{0: 0xfd, 1: high, 15: low})
	}
	rapid.Check(t, func(r *rapid.T) {
		var table PrefixTable[int]
		byPrefix := map[netip.Prefix]int{}
		for i := range rapid.IntRange(0, 20).Draw(r, "prefixes") {
			a := address(r, "prefix")
			p, err := a.Prefix(rapid.IntRange(0, a.BitLen()).Draw(r, "bits"))
			if err != nil {
				r.Fatal(err)
			}
			table.Add(p, i)
			byPrefix[p] = i
		}
		a := address(r, "address")
		want, bits := 0, -1
		for p, i := range byPrefix {
			if p.Contains(a) && p.Bits() > bits {
				want, bits = i, p.Bits()
			}
		}
		if got, ok := table.Find(a); ok != (bits >= 0) || got != want {
			r.Fatalf("%v is in %v (%v), want %v\n%v", a, got, ok, want, byPrefix)
		}
	})
	var table PrefixTable[int]
	table.Add(netip.MustParsePrefix("0.0.0.0/0"), 4)
	table.Add(netip.MustParsePrefix("::/0"), 6)
	for text, want := range map[string]int{"": 0, "x": 0, "10.0.0.1": 4, "::ffff:10.0.0.1": 4, "fd00::1": 6} {
		if got, _ := table.Find(ParseAddress([]byte(text))); got != want {
			t.Errorf("%q is in %d, want %d", text, got, want)
		}
	}
}
