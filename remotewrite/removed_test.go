// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"testing"
	"testing/synctest"
)

// TestRemovedEndpoint proves that an endpoint which is not configured any more
// holds nothing back, also after a restart.
func TestRemovedEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := diskOf(t, 7)
		r := newRig(t, LogConfig{FS: d, Dir: "log"})
		r.apply(EndpointConfig{Name: "b", URL: "http://nobody/"})
		if n := len(segments(d)); n != 0 {
			t.Errorf("%d segments are left", n)
		}
		if n, at := r.log.LastTick(); n != 7 || at != 7000 {
			t.Errorf("last tick %d at %d", n, at)
		}
		r.halt(nil)
		if got, err := reopen(t, d); err != nil || len(got.at) != 1 || got.lost > 0 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
