// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// TestServerSide proves which of two ports is shown, and that their size is no
// argument.
func TestServerSide(t *testing.T) {
	opened := func(by input.Opened, answered bool) func(*input.Flow) {
		return func(f *input.Flow) {
			f.Opened = by
			if !answered {
				f.Metric.ABPackets, f.Metric.BAPackets = 0, 0
			}
		}
	}
	tests := []struct {
		name string
		a, b int64
		flow func(*input.Flow)
		want string // the values of initiator_port and target_port
	}{
		{"the target's port is listed", 40000, 443, nil, "ephemeral 443"},
		{"the initiator's port is listed, as in a capture that began in mid-stream", 443, 40000, nil, "443 ephemeral"},
		{"both are listed", 123, 53, nil, "ephemeral 53"},
		{"the target's is the larger of two listed ones", 53, 8443, nil, "ephemeral 8443"},
		{"neither is listed", 12, 40000, nil, "ephemeral ephemeral"},
		{"a small port says nothing", 40000, 2, nil, "ephemeral ephemeral"},
		{"the operator's", 40000, 9042, nil, "ephemeral 9042"},
		{"the operator's, of this protocol only", 40000, 9043, func(f *input.Flow) { f.TransportProtocol = []byte("UDP") }, "ephemeral ephemeral"},
		{"the operator's, of any protocol", 40000, 9042, func(f *input.Flow) { f.TransportProtocol = []byte("DCCP") }, "ephemeral 9042"},
		{"a protocol without a list", 40000, 443, func(f *input.Flow) { f.TransportProtocol = []byte("DCCP") }, "ephemeral ephemeral"},
		{"A opened it", 40000, 50000, opened(input.OpenedByA, true), "ephemeral 50000"},
		{"A opened it from a listed port", 443, 50000, opened(input.OpenedByA, true), "ephemeral 50000"},
		{"B opened it", 50000, 443, opened(input.OpenedByB, true), "50000 ephemeral"},
		{"A tried to open it and nothing answered", 40000, 50000, opened(input.OpenedByA, false), "ephemeral ephemeral"},
		{"no ports", -1, 1 << 40, nil, "ephemeral ephemeral"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, Config{Labels: []string{"initiator_port", "target_port"}, Ports: ServicePorts,
				ServicePorts: []PortRange{{"", 9042, 9042}, {"TCP", 9043, 9049}}})
			f := w.flow("1", 1000, 1000)
			f.TransportA, f.TransportB = test.a, test.b
			if test.flow != nil {
				test.flow(&f)
			}
			got := string(bytes.Join(bytes.FieldsFunc(w.labels.appendValues(nil, &f), func(r rune) bool { return r == utf8.RuneError }), []byte(" ")))
			if got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestPortsDropped(t *testing.T) {
	w := knownWorld(t, Config{Ports: DropPorts})
	w.count(w.flow("1", 1000, 0))
	const name = "bytes{direction=initiator_to_target,initiator_ip=10.0.0.1,node_tid=n1,protocol=TCP,target_ip=10.0.0.2}"
	w.want(name, 1000)
	if _, err := New(Config{Labels: []string{"target_port"}, Ports: DropPorts}, nil, nil, nil, nil); err == nil {
		t.Error("no label is left, and that is no error")
	}
	if _, err := New(Config{Labels: DefaultLabels(), Ports: "most"}, nil, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "keep, drop or service") {
		t.Errorf("an unknown policy: %v", err)
	}
}

// TestListenersAreDurable proves that an address that answered once is a server from then
// on, also where no capture sees a connection being opened, and after a crash.
func TestListenersAreDurable(t *testing.T) {
	for _, snapshot := range []bool{false, true} {
		least := int64(1 << 20)
		if snapshot {
			least = 1
		}
		m := knownProcess(t, Config{Labels: []string{"initiator_port", "target_port"}, Ports: ServicePorts}, disktest.New(1), least)
		unseen := func(uuid string, bytes int64) input.Flow {
			f := m.flow(uuid, bytes, bytes)
			f.TransportA, f.TransportB = 41000, 50000
			return f
		}
		opened := unseen("1", 1000)
		opened.Opened = input.OpenedByA
		m.Update([]input.Flow{unseen("2", 200), opened})
		for range 4 {
			m.tick()
			m.idle()
		}
		m.count(unseen("2", 500))
		m.crash(true)
		m.start()
		swapped := unseen("3", 70)
		swapped.NetworkA, swapped.NetworkB = swapped.NetworkB, swapped.NetworkA
		swapped.TransportA, swapped.TransportB = swapped.TransportB, swapped.TransportA
		m.count(unseen("4", 4000), swapped)
		for name, want := range map[string]uint64{
			"bytes{initiator_port=ephemeral,target_port=ephemeral}": 400,
			"bytes{initiator_port=ephemeral,target_port=50000}":     2 * (1000 + 300 + 4000),
			"bytes{initiator_port=50000,target_port=ephemeral}":     140,
		} {
			if got := m.receiver.increase(name); got != want {
				t.Errorf("snapshot %v: %s is %d, want %d\n%s", snapshot, name, got, want, m.receiver)
			}
		}
		m.want("bytes", 400+2*5300+140)
		m.wantMetric("skybridge_listeners", "", 1)
		m.crash(false)
	}
}

// TestListenersAreBounded has a feed invent servers: one that is asked for stays.
func TestListenersAreBounded(t *testing.T) {
	forgotten := 0
	l := newListeners()
	l.evicted = func() { forgotten++ }
	l.learn([]byte("kept"))
	for i := range 2 * maxListeners {
		l.learn(fmt.Appendf(nil, "10.0.0.1 %d", i))
		if !l.knows([]byte("kept")) {
			t.Fatalf("forgotten after %d others", i)
		}
	}
	if len(l.list) != maxListeners || len(l.byKey) != maxListeners || forgotten != maxListeners+1 {
		t.Errorf("%d in the list, %d in the map, %d forgotten", len(l.list), len(l.byKey), forgotten)
	}
	for i, one := range l.list {
		if l.byKey[one.key] != i {
			t.Fatalf("%q is said to be at %d, and is at %d", one.key, l.byKey[one.key], i)
		}
	}
}

// TestWellKnownServices checks the tables of services: numbers in order, none in
// the range that Linux gives to clients, and what everybody expects.
func TestWellKnownServices(t *testing.T) {
	all := wellKnownServices()
	for protocol, text := range map[string]string{"TCP": tcpServices, "UDP": udpServices, "SCTP": sctpServices} {
		last := uint16(0)
		var written []string
		for _, r := range all[protocol] {
			if r.First <= last || r.Last < r.First || r.Last >= 32768 || r.Protocol != protocol {
				t.Errorf("%s: %v after %d", protocol, r, last)
			}
			last = r.Last
			if written = append(written, fmt.Sprint(r.First)); r.Last != r.First {
				written[len(written)-1] += fmt.Sprint("-", r.Last)
			}
		}
		if !slices.Equal(written, strings.Fields(text)) {
			t.Errorf("%s: the table has something else than numbers", protocol)
		}
	}
	s := newServices(nil, newListeners())
	for _, want := range []string{"TCP 22", "TCP 80", "TCP 443", "TCP 3306", "TCP 5432", "TCP 5201", "TCP 6443", "UDP 53", "UDP 123", "UDP 443", "UDP 4789", "SCTP 3868"} {
		protocol, number, _ := strings.Cut(want, " ")
		if !s.listed[protocol].has(int64(port(number))) {
			t.Errorf("%s is not listed", want)
		}
	}
}
