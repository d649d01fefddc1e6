// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skydive-project/skybridge/internal/prom"
)

const (
	// outageBefore and outageAfter is how long the receiver is there before and
	// after the outage: the latter longer than a connection takes to end.
	outageBefore, outageAfter = 3 * time.Minute, 6 * time.Minute
	// outageDrain is how long draining may take at most in the bubble's time, which is
	// latency alone; wholeDrain is that where three hours of ticks are sent as they are.
	outageDrain, wholeDrain = 2 * time.Minute, 5 * time.Minute
)

// outage is a receiver that is away for some time, while connections come, report
// and go.
type outage struct {
	name   string
	series int // live at a time
	// latency is what each request to a receiver costs in the bubble's time.
	latency time.Duration
	down    time.Duration
	// outOfOrder is the receiver's out_of_order_time_window, window the endpoint's
	// backlog_window where it is not the default.
	outOfOrder time.Duration
	window     string
	// maxBytes is storage.max_bytes, memory is without --storage.path.
	maxBytes int64
	memory   bool
	// changes are made during the outage, one after the other.
	changes []change
}

// change is what an operator does to the configuration.
type change string

const (
	reloads        change = "what concerns no series"
	externalLabels change = "external labels"
	newLabels      change = "the labels of connections"
	relabels       change = "the endpoint's relabelling"
	secondEndpoint change = "a second endpoint"
)

// outages are the cases of `make test`; each change by itself, and those at scale,
// are in outage_real_test.go.
var outages = []outage{
	{name: "40 minutes", down: 40 * time.Minute, changes: []change{reloads, externalLabels, newLabels, relabels, secondEndpoint}},
	{name: "40 minutes in memory, out of order", down: 40 * time.Minute, memory: true, outOfOrder: 4 * time.Hour},

	{name: "50 minutes", down: 50 * time.Minute},
	{name: "3 hours", down: 3 * time.Hour, changes: []change{reloads, externalLabels, newLabels, relabels, secondEndpoint}},
	{name: "3 hours in memory, out of order", down: 3 * time.Hour, memory: true, outOfOrder: 4 * time.Hour},
	{name: "3 hours, out of order and sent whole", down: 3 * time.Hour, outOfOrder: 4 * time.Hour, window: "3h30m"},
}

// TestOutages takes a receiver away, a real Prometheus that others continue to write
// to, and gives it back: nothing is refused, every byte arrives in its own series,
// the disk stays within its bound, and new samples are not late once the backlog is
// sent.
func TestOutages(t *testing.T) {
	for _, o := range outages {
		o.series, o.latency = outageSeries, 150*time.Millisecond
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			o.run(t)
		})
	}
}

// run is one outage. The Prometheus runs outside of the bubble, on sockets: while a
// request is with it, the bubble's time stands still.
func (o outage) run(t *testing.T) {
	seed, began := newSeed(t), time.Now()
	r := &outageRun{outage: o, crowd: newCrowd(seed, o.series, 0.01)}
	for len(r.proms) == 0 || (len(r.proms) == 1 && slices.Contains(o.changes, secondEndpoint)) {
		r.proms = append(r.proms, startProm(t, prom.Options{OutOfOrderWindow: o.outOfOrder}))
	}
	synctest.Test(t, r.play)
	played := time.Since(began)
	r.judge(t, r.proms[0], time.Time{})
	if slices.Contains(o.changes, secondEndpoint) {
		r.judge(t, r.proms[1], r.second)
	}
	t.Logf("%d series, drained in %v; %d bytes on disk at most; played in %v, judged in %v", 4*len(r.crowd.tuples), r.drained, r.disk, played, time.Since(began)-played)
}

// outageRun is the outage while it runs.
type outageRun struct {
	outage
	*lab
	crowd   *crowd
	proms   []*prom.Server
	down    atomic.Bool
	applied []change
	second  time.Time     // when the second endpoint was added
	drained time.Duration // how long it took
	disk    int64         // bytes at most
}

// play is what happens, in the bubble.
func (r *outageRun) play(t *testing.T) {
	r.lab = newLab(t)
	if !r.memory {
		r.options.StoragePath = t.TempDir()
	}
	r.serve("one", func(ctx context.Context, network, _ string) (net.Conn, error) {
		time.Sleep(r.latency)
		if r.down.Load() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError("the receiver is away")}
		}
		return new(net.Dialer).DialContext(ctx, network, r.proms[0].Addr())
	})
	r.serve("two", func(ctx context.Context, network, _ string) (net.Conn, error) {
		time.Sleep(r.latency)
		return new(net.Dialer).DialContext(ctx, network, r.proms[1].Addr())
	})
	r.configure(r.config())
	r.start()
	time.Sleep(crowdStep / 3) // between two ticks

	r.pass(outageBefore)
	r.down.Store(true)
	part := r.outage.down / time.Duration(len(r.changes)+1)
	for _, c := range r.changes {
		r.pass(part)
		r.change(c)
	}
	r.pass(part)
	r.down.Store(false)
	began, patience := time.Now(), outageDrain
	if r.window != "" {
		patience = wholeDrain
	}
	for r.backlog() > 0 && time.Since(began) < patience {
		r.pass(crowdStep)
	}
	r.drained = time.Since(began)
	if n := r.backlog(); n > 0 {
		r.t.Errorf("%d ticks wait %v after the receiver came back\n%s", n, r.drained, r.logs)
	}
	for time.Since(began) < outageAfter {
		r.pass(crowdStep)
		if n := r.backlog(); n > 0 {
			r.t.Errorf("%d ticks wait although the backlog was drained", n)
		}
		if sent, last := r.metric("prometheus_remote_storage_queue_highest_sent_timestamp_seconds", "http://one/api/v1/write"), r.aggregator.LastTick(); sent != float64(last/1000) {
			t.Errorf("the newest sample that was sent is of %v, the last tick was at %v", sent, float64(last)/1000)
		}
	}
	r.halt()
	for _, name := range []string{"samples_failed_total", "samples_dropped_total"} {
		if n := r.metric("prometheus_remote_storage_" + name); n > 0 {
			t.Errorf("%s is %v", name, n)
		}
	}
	if n := r.metric("skybridge_lost_bytes_total"); n > 0 {
		t.Errorf("%v bytes were lost", n)
	}
}

// backlog is how many ticks wait for any receiver.
func (r *outageRun) backlog() (ticks int) {
	for _, e := range r.sender.Status() {
		ticks += e.BacklogTicks
	}
	return ticks
}

// pass lets time pass while connections report and others write to the receivers.
func (r *outageRun) pass(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		for _, p := range r.proms {
			if err := p.TickAt(time.Now()); err != nil {
				r.t.Fatal(err)
			}
		}
		r.crowd.report(time.Now(), r.replica)
		time.Sleep(crowdStep)
		r.checkDisk()
	}
}

// change changes the configuration of the running bridge.
func (r *outageRun) change(c change) {
	r.applied = append(r.applied, c)
	r.configure(r.config())
	if err := r.reload(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	switch c {
	case newLabels:
		r.crowd.scheme = withoutPort
	case secondEndpoint:
		r.second = time.Now()
	}
}

// config is the configuration with the changes made so far.
func (r *outageRun) config() string {
	var global, aggregation, endpoint, more string
	for _, c := range r.applied {
		switch c {
		case reloads:
			aggregation += "connection_timeout: 70s, max_series: 900000, "
			endpoint += "    queue_config: {max_shards: 20}\n"
		case externalLabels:
			global += "external_labels: {site: b}"
		case newLabels:
			aggregation += "labels: [initiator_ip, target_ip, target_port, direction, node_tid, protocol]"
		case relabels:
			endpoint += "    write_relabel_configs: [{target_label: region, replacement: c}]\n"
		case secondEndpoint:
			more += "  - url: http://two/api/v1/write\n"
		}
	}
	if r.window != "" {
		endpoint += "    backlog_window: " + r.window + "\n"
	}
	storage := "memory_max_bytes: 1GB"
	if r.maxBytes > 0 {
		storage = fmt.Sprintf("max_bytes: %d", r.maxBytes)
	}
	return fmt.Sprintf("global: {%s}\naggregation: {%s}\nstorage: {%s}\nremote_write:\n  - url: http://one/api/v1/write\n%s%s", global, aggregation, storage, endpoint, more)
}
