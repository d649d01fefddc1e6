// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

// iface is an interface of that name whose first number is rx.
func iface(name string, rx uint64) InterfaceRow {
	r := InterfaceRow{InterfaceLabels: InterfaceLabels{Name: name, Host: "h", NodeTID: "tid-" + name}}
	r.Values[0] = rx
	return r
}

// interfaceRows are rows of the topology that say what interfaces are now.
func interfaceRows(rows ...InterfaceRow) (all []input.Interface) {
	for _, r := range rows {
		all = append(all, input.Interface{
			NodeTID: []byte(r.NodeTID), Name: []byte(r.Name), Host: []byte(r.Host), Type: []byte(r.Type),
			IPv4: []byte(r.IPv4), IPv6: []byte(r.IPv6), Values: r.Values,
		})
	}
	return all
}

// setInterfaces has the topology state all interfaces.
func (w *world) setInterfaces(rows ...InterfaceRow) {
	w.Interfaces(interfaceRows(rows...), input.Refresh{Whole: true, End: true})
}

// TestInterfaceLife follows interfaces from tick to tick: values as they are, one
// stale marker where one goes, nothing twice.
func TestInterfaceLife(t *testing.T) {
	w := newWorld(t, Config{})
	const eth0, eth1 = "rx{eth0 }", "rx{eth1 }"
	expect := func(name string, want ...sample) {
		t.Helper()
		if diff := cmp.Diff(want, w.receiver.series[name], cmp.AllowUnexported(sample{})); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", name, diff)
		}
	}
	w.setInterfaces(iface("eth0", 1000), iface("eth1", 7))
	w.tick()
	t1 := w.receiver.at
	expect(eth0, sample{at: t1, value: 1000}) // no zero: it ran before
	w.setInterfaces(iface("eth0", 1500))
	w.setInterfaces(iface("eth0", 1600))
	w.tick()
	t2 := w.receiver.at
	expect(eth0, sample{at: t1, value: 1000}, sample{at: t2, value: 1600})
	expect(eth1, sample{at: t1, value: 7}, sample{at: t2, stale: true})
	w.tick()
	t3 := w.receiver.at
	expect(eth0, sample{at: t1, value: 1000}, sample{at: t2, value: 1600}, sample{at: t3, value: 1600})
	expect(eth1, sample{at: t1, value: 7}, sample{at: t2, stale: true})

	// It comes back, and another one is seen between two ticks only.
	w.setInterfaces(iface("eth1", 9), iface("lost", 1))
	w.setInterfaces(iface("eth1", 9))
	w.tick()
	t4 := w.receiver.at
	expect(eth1, sample{at: t1, value: 7}, sample{at: t2, stale: true}, sample{at: t4, value: 9})
	expect("rx{lost }")

	// The label of an address is part of a series' name.
	renamed := iface("eth1", 10)
	renamed.IPv4 = "10.0.0.1/24"
	w.setInterfaces(renamed)
	w.tick()
	t5 := w.receiver.at
	expect(eth1, sample{at: t1, value: 7}, sample{at: t2, stale: true}, sample{at: t4, value: 9}, sample{at: t5, stale: true})
	expect("rx{eth1 10.0.0.1/24}", sample{at: t5, value: 10})
	if len(w.interfaces.byLabels) != 2 { // the one that ended leaves with the next tick
		t.Errorf("%d interfaces are kept, want 2", len(w.interfaces.byLabels))
	}
	w.tick()
	if len(w.interfaces.byLabels) != 1 {
		t.Errorf("%d interfaces are kept, want 1", len(w.interfaces.byLabels))
	}
}

// TestInterfaceNamesAreValid cuts the names that receivers would refuse, and counts them.
func TestInterfaceNamesAreValid(t *testing.T) {
	w := newWorld(t, Config{})
	one, two := iface("one", 1), iface("two", 2)
	one.Host, two.Host = strings.Repeat("h", 300)+"1", strings.Repeat("h", 300)+"2"
	w.setInterfaces(one, two, iface("fine", 3))
	w.tick()
	hosts := map[string]bool{}
	for _, row := range w.ScrapeInterfaces(nil) {
		if hosts[row.Host] = true; len(row.Host) > label.MaxValueBytes {
			t.Errorf("host has %d bytes", len(row.Host))
		}
	}
	if len(hosts) != 3 {
		t.Errorf("hosts are not told apart: %v", hosts)
	}
	w.wantMetric("skybridge_label_values_cut_total", "", 2)
}

// TestInterfacesEndAll ends every series and continues, as a reload does.
func TestInterfacesEndAll(t *testing.T) {
	w := newWorld(t, Config{})
	w.setInterfaces(iface("eth0", 5))
	w.tick()
	first := w.receiver.at
	rounds := 0
	for w.EndAll(true) > 0 {
		if rounds++; rounds > 3 {
			t.Fatal("it does not end")
		}
		w.tick()
	}
	end := w.receiver.at
	w.tick()
	got := w.receiver.series["rx{eth0 }"]
	want := []sample{{at: first, value: 5}, {at: end - testInterval.Milliseconds(), value: 5}, {at: end, stale: true}, {at: w.receiver.at, value: 5}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sample{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEndBeforeTheGrid ends a process before its first tick on the grid: an interface
// that was never sampled has nothing to end, and is not waited for.
func TestEndBeforeTheGrid(t *testing.T) {
	w := newWorld(t, Config{})
	w.noGridTick = true
	w.setInterfaces(iface("eth0", 5))
	if left := w.EndAll(true); left != 0 {
		t.Errorf("%d series are to end, want none", left)
	}
}

// TestScrapeInterfaces serves the published tick and no other, sorted.
func TestScrapeInterfaces(t *testing.T) {
	w := newWorld(t, Config{})
	w.setInterfaces(iface("b", 2), iface("a", 1))
	if got := w.ScrapeInterfaces(nil); len(got) != 0 {
		t.Errorf("before the first tick: %v", got)
	}
	w.tick()
	w.setInterfaces(iface("a", 10))
	kept := iface("kept", 0)
	want := []InterfaceRow{kept, iface("a", 1), iface("b", 2)}
	if diff := cmp.Diff(want, w.ScrapeInterfaces([]InterfaceRow{kept})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.pass(testInterval)
	w.receiver.at = w.time.UnixMilli()
	w.Tick(w.receiver.at, testInterval, w.receiver) // not published
	if diff := cmp.Diff(want[1:], w.ScrapeInterfaces(nil)); diff != "" {
		t.Errorf("before it is published (-want +got):\n%s", diff)
	}
	w.Publish()
	if diff := cmp.Diff([]InterfaceRow{iface("a", 10)}, w.ScrapeInterfaces(nil)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEndAllWithANewInterface proves that all series end, though an interface came after the
// last tick, which would otherwise always be a tick behind the others.
func TestEndAllWithANewInterface(t *testing.T) {
	for _, last := range []bool{false, true} {
		w := knownWorld(t, Config{})
		row := func(name string) InterfaceRow {
			return InterfaceRow{InterfaceLabels{Name: name}, [InterfaceMetrics]uint64{1}}
		}
		w.setInterfaces(row("a"))
		for range 3 {
			w.tick()
		}
		w.setInterfaces(row("a"), row("b"))
		rounds := 0
		for w.EndAll(last) > 0 {
			if w.tick(); rounds > 10 {
				t.Fatal("interfaces begin again and again")
			}
			rounds++
		}
		w.tick()
		if rows := w.ScrapeInterfaces(nil); len(rows) != 2 {
			t.Errorf("%d interfaces after a reload, want 2", len(rows))
		}
	}
}

// TestInterfacesOfAFormerProcess proves that series continue in a process that has the state,
// until the topology has stated everything, and that then what has left meanwhile ends.
func TestInterfacesOfAFormerProcess(t *testing.T) {
	former := newWorld(t, Config{})
	former.setInterfaces(iface("eth0", 1000), iface("eth1", 7), iface("eth2", 8))
	former.tick()
	w := former.replaced(t, Config{})
	w.tick()
	w.Interfaces(interfaceRows(iface("eth0", 1100)), input.Refresh{Whole: true})
	w.tick()
	w.Interfaces(interfaceRows(iface("eth2", 9), iface("eth3", 1)), input.Refresh{End: true})
	w.tick()
	w.Interfaces(interfaceRows(iface("eth2", 10)), input.Refresh{End: true})
	w.tick()
	at := func(n int) int64 { return w.receiver.at - int64(4-n)*testInterval.Milliseconds() }
	for name, want := range map[string][]sample{
		"rx{eth0 }": {{at: at(1), value: 1000}, {at: at(2), value: 1100}, {at: at(3), value: 1100}, {at: at(4), value: 1100}},
		"rx{eth1 }": {{at: at(1), value: 7}, {at: at(2), value: 7}, {at: at(3), stale: true}},
		"rx{eth2 }": {{at: at(1), value: 8}, {at: at(2), value: 8}, {at: at(3), value: 9}, {at: at(4), value: 10}},
		"rx{eth3 }": {{at: at(3), value: 1}, {at: at(4), value: 1}},
	} {
		if diff := cmp.Diff(want, w.receiver.series[name], cmp.AllowUnexported(sample{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestInterfacesAreBounded proves that processes which die before their first refresh ends do
// not leave more interfaces than the topology can have twice.
func TestInterfacesAreBounded(t *testing.T) {
	w := newWorld(t, Config{Config: label.Config{MaxNames: 4}})
	for i := range 40 {
		w.Interfaces(interfaceRows(iface(string('a'+rune(i)), 1)), input.Refresh{Whole: true})
	}
	if got := len(w.interfaces.list); got != 8 {
		t.Errorf("%d interfaces are kept, want 8", got)
	}
	w.setInterfaces(iface("a", 2))
	for range 2 {
		w.tick()
	}
	if got := len(w.ScrapeInterfaces(nil)); got != 1 {
		t.Errorf("%d interfaces are left, want 1", got)
	}
}
