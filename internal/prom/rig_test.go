// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"context"
	"math"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"github.com/skydive-project/skybridge/internal/leaks"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/receiver"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

const metric = "skydive_network_connection_total_bytes"

// past is a time long gone, which nothing here may mind.
var past = time.UnixMilli(1_600_000_000_123)

func stale() float64 { return math.Float64frombits(value.StaleNaN) }

func start(t *testing.T, options prom.Options) *prom.Server {
	t.Helper()
	server, err := prom.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// series is one line of a 1.0 request: a counter of one label.
func series(who string, samples ...receiver.Sample) prompb.TimeSeries {
	line := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: metric}, {Name: "who", Value: who}}}
	for _, s := range samples {
		line.Samples = append(line.Samples, prompb.Sample{Timestamp: s.At, Value: s.Value()})
	}
	return line
}

// write sends lines by remote-write 1.0. The error says what the server answered.
func write(ctx context.Context, server *prom.Server, lines ...prompb.TimeSeries) error {
	return send(ctx, server, remoteapi.WriteV1MessageType, &prompb.WriteRequest{Timeseries: lines})
}

// send sends a request. Without the confirmation that 2.0 asks for, that fails.
func send(ctx context.Context, server *prom.Server, kind remoteapi.WriteMessageType, request any) error {
	sender, err := remoteapi.NewAPI(server.URL())
	if err == nil {
		_, err = sender.Write(ctx, kind, request)
	}
	return err
}

func mustWrite(t *testing.T, server *prom.Server, lines ...prompb.TimeSeries) {
	t.Helper()
	if err := write(t.Context(), server, lines...); err != nil {
		t.Fatal(err)
	}
}

// at is a sample n seconds after past.
func at(seconds int, v float64) receiver.Sample {
	return receiver.NewSample(past.UnixMilli()+int64(seconds)*1000, v)
}

func after(seconds int) time.Time { return past.Add(time.Duration(seconds) * time.Second) }

func count(all []prom.Series) int {
	n := 0
	for _, s := range all {
		n += len(s.Samples)
	}
	return n
}
