// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/disktest"
)

const (
	dir      = "input"
	interval = 15 * time.Second
)

// receiver takes ticks as a log of ticks and what is behind it: each is there whole or not at
// all. It outlives processes.
type receiver struct {
	t        testing.TB
	last     int64 // ms, of the latest tick
	values   map[string]uint64
	begun    map[string]bool
	grown    uint64 // bytes that all series have grown by
	mayReset bool   // series may begin without a zero
	staged   []aggregator.Point
}

// Connections implements [aggregator.Emitter].
func (r *receiver) Connections(points []aggregator.Point) { r.staged = append(r.staged, points...) }

// Captures implements [aggregator.Emitter].
func (r *receiver) Captures([]aggregator.CapturePoint) {}

// Interfaces implements [aggregator.Emitter].
func (r *receiver) Interfaces([]aggregator.InterfacePoint) {}

// take takes the tick that was staged.
func (r *receiver) take(at int64) {
	if at <= r.last {
		r.t.Fatalf("a tick of %d after one of %d", at, r.last)
	}
	r.last = at
	for _, p := range r.staged {
		name := p.Values
		switch {
		case p.End:
			if !r.begun[name] {
				r.t.Fatalf("%q ends and has not begun", name)
			}
			r.begun[name] = false
			continue
		case p.Begin != 0:
			if r.begun[name] && !r.mayReset {
				r.t.Fatalf("%q begins at %d and has not ended", name, at)
			}
			r.begun[name], r.values[name] = true, 0
		case !r.begun[name]:
			r.t.Fatalf("%q continues and has not begun", name)
		}
		now := p.Bytes[0] + p.Bytes[1]
		if now < r.values[name] {
			r.t.Fatalf("%q falls from %d to %d", name, r.values[name], now)
		}
		r.grown += now - r.values[name]
		r.values[name] = now
	}
	r.staged = nil
}

// process is a replica on a disk that outlives it.
type process struct {
	*Replica
	t        testing.TB
	disk     *disktest.Disk
	receiver *receiver
	registry *prometheus.Registry
	logs     bytes.Buffer
	config   StoreConfig
	found    Recovery
	sent     map[string]int64 // the bytes of each flow, as reported
}

func newProcess(t testing.TB, system *disktest.Disk, checkpoint int64) *process {
	return &process{
		t: t, disk: system, config: StoreConfig{Dir: dir, FS: system, CheckpointBytes: checkpoint},
		receiver: &receiver{t: t, values: map[string]uint64{}, begun: map[string]bool{}},
		sent:     map[string]int64{},
	}
}

func configured() Configuration {
	return Configuration{Config: aggregator.Config{
		Config:            label.Config{Labels: []string{"initiator_port"}},
		ConnectionTimeout: time.Minute, FlowRetention: 30 * time.Minute,
	}}
}

// open starts a process.
func (p *process) open() error {
	logger := slog.New(slog.NewTextHandler(&p.logs, nil))
	p.registry = prometheus.NewRegistry()
	skipped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "skipped"}, []string{"reason"})
	p.Replica = New(aggregator.New(p.registry, skipped, logger), Clock{time.Now, time.Now}, p.registry, logger)
	if p.config.LastTick >= 0 {
		p.config.LastTick = p.receiver.last
	}
	var err error
	p.found, err = p.Open(p.config, configured(), func(at int64, _ []byte, sample func(aggregator.Emitter)) {
		p.receiver.staged = nil
		sample(p.receiver)
		if !p.disk.Dead() {
			p.receiver.take(at)
		}
	})
	p.receiver.mayReset = p.receiver.mayReset || p.found.ResetReason != ""
	if err == nil {
		p.AnalyzerUp("a")
	}
	return err
}

func (p *process) start() {
	p.t.Helper()
	if err := p.open(); err != nil {
		p.t.Fatal(err)
	}
}

// tick makes the next tick, which the receiver takes unless the process has died.
func (p *process) tick() {
	time.Sleep(time.Until(time.Now().Truncate(interval).Add(interval)))
	p.tickNow()
}

func (p *process) tickNow() {
	at := time.Now().UnixMilli()
	if at < p.aggregator.LastTick()+aggregator.MinTickGap {
		return
	}
	p.receiver.staged = nil
	p.Tick(at, interval, p.receiver)
	if !p.disk.Dead() {
		p.receiver.take(at)
	}
	p.Publish(true)
	synctest.Wait() // for a snapshot
}

// report reports that flows have grown, each by its port.
func (p *process) report(ports ...int) {
	var flows []input.Flow
	now := time.Now().UnixMilli()
	for _, port := range ports {
		uuid := fmt.Sprintf("%x", port)
		p.sent[uuid] += int64(100 * port)
		m := input.Metric{ABBytes: p.sent[uuid], ABPackets: 1, Start: began, Last: now}
		update := m
		update.ABBytes, update.Start = int64(100*port), now-10_000
		flows = append(flows, input.Flow{
			UUID: []byte(uuid), NodeTID: []byte("n"), CaptureID: []byte("c"), NetworkA: []byte("10.0.0.1"), NetworkB: []byte("10.0.0.2"),
			HasTransport: true, TransportProtocol: []byte("TCP"), TransportA: int64(port), TransportB: 80,
			Start: began, Metric: m, LastUpdate: update, HasLastUpdate: true,
		})
	}
	p.Update(flows)
}

// began is when all flows began, after the node's epoch.
const began = 946_684_801_000

// meet reports the first record of the node, which gives its epoch, and nothing that counts.
func (p *process) meet() {
	now := time.Now().UnixMilli()
	p.Update([]input.Flow{{
		UUID: []byte("ffff"), NodeTID: []byte("n"), CaptureID: []byte("c"), HasTransport: true, TransportProtocol: []byte("TCP"),
		Start: now - 1000, LastUpdate: input.Metric{Start: now - 1000, Last: now}, HasLastUpdate: true,
	}})
}

// want fails the test unless the receiver has all that was reported.
func (p *process) want() {
	p.t.Helper()
	want := uint64(0)
	for _, n := range p.sent {
		want += uint64(n)
	}
	if p.receiver.grown != want {
		p.t.Fatalf("%d bytes, want %d\n%v %v\n%s", p.receiver.grown, want, p.receiver.values, p.sent, &p.logs)
	}
}

// kill ends the process, after which power is lost or not.
func (p *process) kill(power bool) {
	p.disk.Fail(func(int, disktest.Op, string) error { return disktest.ErrDead })
	_ = p.Close() // so that its goroutines end; it changes nothing any more
	if power {
		p.disk.LosePower()
	} else {
		p.disk.Kill()
	}
}

// snapshot is the one that is on disk.
func (p *process) snapshot() disk.Numbered {
	p.t.Helper()
	all, err := disk.ListNumbered(p.disk, dir, snapshotFormat.Suffix)
	if err != nil || len(all) != 1 {
		p.t.Fatalf("%v, %v", all, err)
	}
	return all[0]
}
