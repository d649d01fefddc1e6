// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestCondenseForgets proves that an endpoint which renames series does not remember
// what has ended in condenses, of which there can be millions; and that what has the name
// of a series that lives is not condensed.
func TestCondenseForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{PushInterval: pushInterval, CondenseEnds: 1})
		var up atomic.Bool
		up.Store(true)
		rec := r.receiver("a", receiver.Config{GiveUps: true, Fail: unless(&up, receiver.Fault{Status: 503})})
		r.apply(EndpointConfig{URL: "http://a/", BacklogWindow: 2 * time.Minute, WriteRelabelConfigs: []*relabel.Config{replace("a", "lives.*", "a", "lives")}})
		const ticks = 40
		for i := range ticks {
			time.Sleep(pushInterval)
			at := time.Now().UnixMilli()
			before := at - pushInterval.Milliseconds()
			tick := r.log.Begin(at)
			tick.Labels([]wire.Label{{Name: "a", Value: "lives"}})
			tick.Value(bytesMetric, before-1, 5)
			switch {
			case i == 1:
				up.Store(false)
			case i == 3:
				tick.Labels([]wire.Label{{Name: "a", Value: "lives too"}})
				tick.End(bytesMetric, before, 1000)
			case i > 3 && i < ticks/2:
				tick.Labels([]wire.Label{{Name: "a", Value: fmt.Sprint(i)}})
				tick.End(bytesMetric, before, 1)
			}
			r.append(tick)
			synctest.Wait()
		}
		up.Store(true)
		endpoint := r.sender.live.all()[0]
		r.flush()
		r.sender.Close()
		if got := receiver.Increase(rec.Series()[receiver.Key("test_bytes", map[string]string{"a": "lives"})]); got != 5 {
			t.Errorf("increase %v of what lives, want its value", got)
		}
		r.wantMetric(ticks/2-4, "skybridge_condensed_series_total")
		if n := len(endpoint.rewriters[0].claims.held); n != 1 {
			t.Errorf("%d names are held, want that of the one that lives", n)
		}
	})
}
