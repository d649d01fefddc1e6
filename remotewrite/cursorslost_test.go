// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// TestCursorsLost proves that a process that does not know any more what it has
// sent does not count it again, whatever is too old by then.
func TestCursorsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disktest.New(1)
		r := newRig(t, queue.Config{FS: d, Dir: "log", PushInterval: pushInterval})
		r.judged = true // it may send what the receiver has
		rec := r.receiver("a", receiver.Config{})
		endpoint := EndpointConfig{Name: "a", URL: "http://a/", BacklogWindow: 5 * time.Minute}
		r.apply(endpoint, EndpointConfig{Name: "away", URL: "http://absent/"}) // for which ticks stay
		ticks := newScript(r)
		tick := func(words string) {
			time.Sleep(pushInterval)
			ticks.tick(time.Now().UnixMilli(), words)
		}
		tick("ends+10")
		tick("ends-")
		tick("lives+100")
		r.halt(nil)
		if err := d.Remove("log/" + "cursors"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		r.cfg.Opened = time.Now()
		r.start()
		rec.Restarted()
		r.apply(endpoint)
		for range 3 {
			tick("lives=150")
		}
		r.flush()
		got := make(map[string]float64)
		for key, samples := range rec.Series() {
			got[key] = receiver.Increase(samples)
		}
		want := map[string]float64{
			receiver.Key("test_bytes", map[string]string{"a": "ends"}):  10,
			receiver.Key("test_bytes", map[string]string{"a": "lives"}): 150,
		}
		if !maps.Equal(got, want) {
			t.Errorf("increases %v, want %v: %v", got, want, rec.Series())
		}
	})
}
