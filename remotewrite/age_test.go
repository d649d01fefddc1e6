// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// TestSampleAgeLimit proves that what is older than the limit is dropped and
// counted, for the endpoint that has one, and that a counter that began in it
// gets its zero.
func TestSampleAgeLimit(t *testing.T) {
	for _, message := range []Message{Message1, Message2, MessageAuto} {
		bubble(t, string(message), func(t *testing.T) {
			r := newRig(t, queue.Config{PushInterval: pushInterval})
			var up atomic.Bool
			fail := unless(&up, receiver.Fault{Status: 503})
			limited, patient := r.receiver("a", receiver.Config{Fail: fail, GiveUps: true}), r.receiver("b", receiver.Config{Fail: fail})
			r.apply(EndpointConfig{Name: "a", URL: "http://a/", ProtobufMessage: message, SampleAgeLimit: time.Minute},
				EndpointConfig{Name: "b", URL: "http://b/"})
			start := time.Now().UnixMilli()
			at := func(i int64) int64 { return start + i*pushInterval.Milliseconds() }
			for i := range int64(20) {
				time.Sleep(pushInterval)
				r.value(at(i+1), start, i == 0, float64(i+1))
			}
			time.Sleep(time.Second) // the last five are a minute old at most
			up.Store(true)
			r.flush()
			got := limited.Series()[keyA]
			for i := range got {
				got[i].Start = 0
			}
			want := []receiver.Sample{sample(at(16), 0), sample(at(17), 17), sample(at(18), 18), sample(at(19), 19), sample(at(20), 20)}
			wantEqual(t, want, got)
			r.wantMetric(17, prefix+"samples_dropped_total", "remote_name", "a", "reason", queue.ReasonTooOld)
			r.wantMetric(0, prefix+"samples_dropped_total", "remote_name", "b")
			if patient.Stored() != 21 {
				t.Errorf("%d samples stored by the endpoint without a limit", patient.Stored())
			}
		})
	}
}
