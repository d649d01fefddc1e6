// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"testing"
)

// TestPlacesAreShared proves that a peer gets half of what the others leave free,
// whatever its ports and addresses within a network, and that peers are forgotten.
func TestPlacesAreShared(t *testing.T) {
	p := newPlaces(fairly(8))
	var leaves []func()
	for _, c := range []struct {
		remotes []string
		want    int
	}{
		{[]string{"192.0.2.1:1", "192.0.2.1:2", "[::ffff:192.0.2.1]:3"}, 4},
		{[]string{"[2001:db8::1]:1", "[2001:db8::2]:1"}, 2},
		{[]string{"@"}, 1}, // a Unix socket's client
		{[]string{"192.0.2.2:1"}, 1},
		{[]string{"192.0.2.3:1"}, 0},
	} {
		got := 0
		for i := range 20 {
			if leave, ok := p.enter(client(&http.Request{RemoteAddr: c.remotes[i%len(c.remotes)]})); ok {
				leaves = append(leaves, leave)
				got++
			}
		}
		if got != c.want {
			t.Errorf("%v has %d places, want %d", c.remotes, got, c.want)
		}
	}
	for _, leave := range leaves {
		leave()
	}
	if p.taken != 0 || len(p.held) != 0 {
		t.Errorf("left: %d, %v", p.taken, p.held)
	}
}
