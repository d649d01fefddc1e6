// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/leaks"
	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }

const pushInterval = 15 * time.Second

// Two metrics of each kind that tests use.
var (
	bytesMetric   = &wire.Metric{Name: "test_bytes", Help: "Bytes.", Unit: "bytes", Type: wire.Counter}
	packetsMetric = &wire.Metric{Name: "test_packets", Help: "Packets.", Type: wire.Counter}
	rttMetric     = &wire.Metric{Name: "test_rtt", Help: "Time.", Unit: "nanoseconds", Type: wire.Gauge}
)

// rig is a log and its sender, whose endpoints are receivers in memory.
type rig struct {
	t      *testing.T
	cfg    queue.Config
	log    *queue.Log
	sender *Sender
	reg    *prometheus.Registry
	logged *await.Logs
	past   []*prometheus.Registry // of processes that have ended
	now    func() time.Time       // of the sender
	// judged: the test looks at the receivers' violations itself. A test in a
	// bubble that fails takes the whole test with it, so rapid could not shrink.
	judged bool

	mu    sync.Mutex
	dials map[string]func(context.Context, string, string) (net.Conn, error)
}

func newRig(t *testing.T, cfg queue.Config) *rig {
	t.Helper()
	r := &rig{
		t: t, cfg: cfg, logged: &await.Logs{},
		dials: make(map[string]func(context.Context, string, string) (net.Conn, error)),
	}
	r.start()
	t.Cleanup(func() { r.sender.Close() })
	return r
}

// open starts a process: in memory, or where there is a file system, durable.
func (r *rig) open() (err error) {
	r.reg = prometheus.NewPedanticRegistry()
	r.cfg.CheckNames = CheckNames
	logger := slog.New(slog.NewTextHandler(r.logged, nil))
	if r.log, err = queue.Open(r.cfg, r.reg, logger); err != nil {
		return err
	}
	r.sender = NewSender(r.log, r.reg, logger, Options{Version: "test", HTTP: []config.HTTPClientOption{config.WithDialContextFunc(r.dial)}, Now: r.now})
	return nil
}

// start is open without an error.
func (r *rig) start() {
	r.t.Helper()
	if err := r.open(); err != nil {
		r.t.Fatal(err)
	}
}

// halt ends the process, as SIGTERM does where how is nil, else by how.
func (r *rig) halt(how func()) {
	r.t.Helper()
	r.sender.Close()
	if how != nil {
		how()
	} else if err := r.log.Close(); err != nil {
		r.t.Error(err)
	}
	r.past = append(r.past, r.reg)
}

// bubble is a subtest with fake time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// wantEqual proves that two values are the same.
func wantEqual(t *testing.T, want, got any, opts ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Error(diff)
	}
}

// unless is a receiver's answer until up is set, and while it is one as long as down is.
func unless(up *atomic.Bool, answer receiver.Fault) func(int, *http.Request) receiver.Fault {
	return func(int, *http.Request) receiver.Fault {
		if up.Load() {
			return receiver.Fault{}
		}
		return answer
	}
}

func while(down *atomic.Bool, answer receiver.Fault) func(int, *http.Request) receiver.Fault {
	return func(int, *http.Request) receiver.Fault {
		if down.Load() {
			return answer
		}
		return receiver.Fault{}
	}
}

// restart ends the process and begins another; how is stop, kill or power, of a disk
// that the rig has.
func (r *rig) restart(how string) {
	r.t.Helper()
	d := r.cfg.FS.(*disktest.Disk)
	r.halt(map[string]func(){"stop": nil, "kill": d.Kill, "power": d.LosePower}[how])
	d.Fail(nil)
	r.start()
}

// crash ends the process at once, by itself or with the power.
func (r *rig) crash(power bool) {
	d := r.cfg.FS.(*disktest.Disk)
	r.halt(map[bool]func(){false: d.Kill, true: d.LosePower}[power])
}

// everywhere plays a process that dies at its n-th operation on the disk, by itself or
// with the power, for each n until it lives.
func everywhere(t *testing.T, play func(n int, power bool) (lived bool)) {
	t.Helper()
	for _, power := range []bool{false, true} {
		for n, lived := 0, false; !lived; n++ {
			if lived = play(n, power); lived && n < 20 {
				t.Errorf("only %d operations: is anything written?", n)
			}
		}
	}
}

// whileAlive is a receiver that is up or not, and that a dead process cannot reach.
func whileAlive(d *disktest.Disk, up *atomic.Bool) func(int, *http.Request) receiver.Fault {
	return func(int, *http.Request) receiver.Fault {
		switch {
		case d.Dead():
			return receiver.Fault{ResetAfter: 1}
		case up.Load():
			return receiver.Fault{}
		}
		return receiver.Fault{Status: 503}
	}
}

// receiver starts a receiver that is reached as http://host/.
func (r *rig) receiver(host string, cfg receiver.Config) *receiver.Receiver {
	rec := receiver.New(cfg)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dials[host+":80"] = rec.Pipe()
	r.t.Cleanup(func() {
		r.sender.Close() // it must not be interrupted by a receiver that goes first
		rec.Close()
		if r.judged {
			return
		}
		for _, v := range rec.Violations() {
			r.t.Errorf("violation at %s: %s", host, v)
		}
	})
	return rec
}

func (r *rig) dial(ctx context.Context, network, address string) (net.Conn, error) {
	r.mu.Lock()
	dial := r.dials[address]
	r.mu.Unlock()
	if dial == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError("nothing listens at " + address)}
	}
	return dial(ctx, network, address)
}

// apply gives the sender its endpoints. They are sent 1.0 where they do not say
// anything else: most tests count requests, and a probe is one more.
func (r *rig) apply(cfgs ...EndpointConfig) {
	r.t.Helper()
	for i := range cfgs {
		if cfgs[i].ProtobufMessage == "" {
			cfgs[i].ProtobufMessage = Message1
		}
	}
	if err := r.sender.Apply(r.prepare(cfgs...)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) prepare(cfgs ...EndpointConfig) *Endpoints {
	r.t.Helper()
	p, err := r.sender.Prepare(cfgs)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// flush waits for the endpoints, at most an hour of the bubble's time.
func (r *rig) flush() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Hour)
	defer cancel()
	if err := r.sender.Flush(ctx); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) append(tick *queue.TickBuilder) {
	r.t.Helper()
	if err := appendTo(r.log, tick); err != nil {
		r.t.Fatal(err)
	}
}

// appendTo appends a tick, and publishes it also where the disk does not take it.
func appendTo(l *queue.Log, tick *queue.TickBuilder) error {
	err := l.Append(tick)
	if errors.Is(err, queue.ErrUndurable) {
		l.Publish()
		return nil
	}
	return err
}

// value appends a tick with one counter sample, with its zero where zero is set.
func (r *rig) value(at, start int64, zero bool, v float64) {
	r.t.Helper()
	tick := r.log.Begin(at)
	tick.Labels([]wire.Label{{Name: "a", Value: "1"}})
	if zero {
		tick.Zero(bytesMetric, start)
	}
	tick.Value(bytesMetric, start, v)
	r.append(tick)
}

// metric returns the sum of a metric's values over all series that have labels.
func (r *rig) metric(name string, labels ...string) float64 {
	r.t.Helper()
	return await.Sum(r.t, r.reg, name, labels...)
}

// metricEver returns that of all processes together.
func (r *rig) metricEver(name string, labels ...string) float64 {
	r.t.Helper()
	sum := r.metric(name, labels...)
	for _, reg := range r.past {
		sum += await.Sum(r.t, reg, name, labels...)
	}
	return sum
}

func (r *rig) wantMetric(want float64, name string, labels ...string) {
	r.t.Helper()
	if got := r.metric(name, labels...); got != want {
		r.t.Errorf("%s%q = %v, want %v", name, labels, got, want)
	}
}

var keyA = receiver.Key("test_bytes", map[string]string{"a": "1"})

// count is how often words were logged.
func (r *rig) count(words string) int { return strings.Count(r.logged.String(), words) }
