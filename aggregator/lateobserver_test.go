// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/input"
)

// next returns the flow with which a connection continues: it begins at now, or ago.
func (w *world) next(f input.Flow, uuid string, ago time.Duration) input.Flow {
	f.UUID, f.Start, f.FinishType = []byte(uuid), w.ms(ago), 0
	f.Metric, f.LastUpdate = input.Metric{Start: f.Start}, input.Metric{Last: f.Start}
	return f
}

// eitherOrder runs a test on captures of one node and on those of two.
func eitherOrder(t *testing.T, run func(t *testing.T, w *crashingProcess, other [2]string)) {
	for _, other := range [][2]string{{"n1", "c2"}, second} {
		t.Run(other[0], func(t *testing.T) {
			m := newCrashingProcess(t, crossingConfig(true))
			defer func() { m.crash(false) }()
			m.arrive(first, other)
			run(t, m, other)
		})
	}
}

// restart ends the process, and begins another one with the snapshot that it left.
func (m *crashingProcess) restart() {
	m.t.Helper()
	m.saves = true
	for range 3 {
		m.tick()
	}
	m.crashAndStart(true)
}

// TestFlowReportedAfterItsSuccessor proves that a flow counts which is first reported after the
// next one of its connection: the other capture had not reported it, and may not have
// known what passed.
func TestFlowReportedAfterItsSuccessor(t *testing.T) {
	eitherOrder(t, func(t *testing.T, m *crashingProcess, other [2]string) {
		was := m.next(m.flow("a1", 0, 0), "a1", 0)
		was.Metric.ABBytes, was.Metric.Last = 700, m.ms(0)
		m.pass(90 * time.Second)
		a := m.next(was, "a2", 0)
		b := seenBy(a, other[0], other[1])
		m.pass(10 * time.Second)
		a, b = m.grown(a, 1000), m.grown(b, 1000)
		m.Update([]input.Flow{a, b})
		m.wantBytes("the next", 1000)
		was.FinishType = finishTimeout
		m.Update([]input.Flow{was})
		m.wantBytes("the one before", 1700)
		m.restart()
		m.Update([]input.Flow{m.grown(a, 1100), m.grown(b, 1100)})
		m.wantBytes("they continue", 1800)
	})
}

// TestLateRecordOfReportedTraffic proves that what a capture has taken over from another one does
// not count again when it reports it itself, late: the next flow had been first.
func TestLateRecordOfReportedTraffic(t *testing.T) {
	eitherOrder(t, func(t *testing.T, m *crashingProcess, other [2]string) {
		a := m.next(m.flow("a1", 0, 0), "a1", 0)
		b := seenBy(a, other[0], other[1])
		m.pass(10 * time.Second)
		a, b = m.grown(a, 1000), m.grown(b, 1000)
		m.Update([]input.Flow{a, b})
		m.pass(10 * time.Second)
		was := m.grown(a, 1500)
		m.Update([]input.Flow{m.grown(b, 1500)})
		m.pass(90 * time.Second)
		a = m.next(a, "a2", 0)
		m.pass(10 * time.Second)
		a = m.grown(a, 200)
		m.Update([]input.Flow{a})
		m.wantBytes("the next", 1700)
		was.FinishType = finishTimeout
		m.Update([]input.Flow{was})
		m.wantBytes("the one before", 1700)
		m.restart()
		m.Update([]input.Flow{m.grown(a, 300)})
		m.wantBytes("it continues", 1800)
	})
}

// TestObserverThatReturns proves that a capture whose flows are all evicted resumes from what it
// knew, if another one's are not: also after a restart, and for as long as there is one.
func TestObserverThatReturns(t *testing.T) {
	eitherOrder(t, func(t *testing.T, m *crashingProcess, other [2]string) {
		a := m.flow("a1", 1000, 0)
		b := seenBy(a, other[0], other[1])
		b.Metric.ABBytes, b.LastUpdate.ABBytes = 300, 300 // what it reports later is lost
		m.Update([]input.Flow{a, b})
		a.FinishType = finishTimeout
		m.Update([]input.Flow{a})
		for i := range int64(100) { // 25 h: unused origins are removed
			m.pass(15 * time.Minute)
			b = m.grown(b, 300)
			b.Metric.RTT = i + 1
			m.count(b)
			if i == 20 {
				m.restart()
			}
		}
		if n := m.shared.records.used; n != 1 {
			t.Fatalf("%d groups", n)
		}
		a = m.next(a, "a2", 0)
		m.pass(10 * time.Second)
		a = m.grown(a, 50)
		m.Update([]input.Flow{a})
		m.wantBytes("it is back", 1050)
		m.Update([]input.Flow{m.grown(a, 90)})
		m.wantBytes("it continues", 1090)
	})
}

// TestHistoryOfOne proves that what one capture does not count, because it was before its
// first report, counts where another capture reports it, whichever comes first.
func TestHistoryOfOne(t *testing.T) {
	for counted, name := range []string{"all of it", "but for its update"} {
		t.Run(name, func(t *testing.T) {
			eitherOrder(t, func(t *testing.T, m *crashingProcess, other [2]string) {
				own := uint64(1000 * counted) // bytes of the first capture's update
				a := m.flow("a1", 5000, 0)
				a.Start -= time.Hour.Milliseconds() // before the epochs
				b := seenBy(a, other[0], other[1])
				a.HasLastUpdate, a.LastUpdate.ABBytes = own > 0, int64(own)
				m.Update([]input.Flow{a})
				m.pass(30 * time.Second)
				b = m.grown(b, 7000)
				b.LastUpdate.ABBytes = 100
				m.Update([]input.Flow{b})
				m.wantBytes("what the second reports", own+100)
				m.restart()
				a = m.grown(a, 7000)
				m.Update([]input.Flow{a})
				m.wantBytes("what the first one reports", own+2000)
				m.restart()
				m.Update([]input.Flow{m.grown(b, 7300), m.grown(a, 7300)})
				m.wantBytes("they continue", own+2300)
			})
		})
	}
}

// TestEndOfFormerFlow proves that the end record of a former flow, which another capture
// sends minutes after it, takes over nothing of the flow that the connection has continued
// as: that capture reports it as well. It may be the first record of the capture, or have
// carried what was lost before.
func TestEndOfFormerFlow(t *testing.T) {
	for name, lost := range map[string]bool{"nothing was lost": false, "it is the capture's first record": true} {
		t.Run(name, func(t *testing.T) {
			eitherOrder(t, func(t *testing.T, m *crashingProcess, other [2]string) {
				a := m.next(m.flow("a1", 0, 0), "a1", 0)
				b := seenBy(a, other[0], other[1])
				m.pass(10 * time.Second)
				a, b = m.grown(a, 16), m.grown(b, 16)
				m.Update([]input.Flow{a})
				if !lost {
					m.Update([]input.Flow{b})
				}
				end := b
				end.FinishType, end.Metric.RTT = finishTimeout, 1
				m.pass(90 * time.Second)
				a, b = m.next(a, "a2", 0), m.next(b, "b2", 0)
				m.pass(10 * time.Second)
				a = m.grown(a, 329)
				m.Update([]input.Flow{a})
				m.wantBytes("the next", 345)
				m.pass(2 * time.Minute)
				m.Update([]input.Flow{end})
				m.wantBytes("the end of the one before", 345)
				m.restart()
				m.Update([]input.Flow{m.grown(b, 329)})
				m.wantBytes("the next, as the other capture has it", 345)
			})
		})
	}
}

// TestDeliveredLate proves that a capture whose node was cut off, and whose records are
// delivered when another capture of the connection has long been gone, takes nothing over
// from that one that it reports itself: also after a restart.
func TestDeliveredLate(t *testing.T) {
	m := newCrashingProcess(t, crossingConfig(true))
	defer func() { m.crash(false) }()
	m.arrive(first, second)
	a := m.flow("1", 1000, 0)
	b := seenBy(a, second[0], second[1])
	m.Update([]input.Flow{a, b})
	var late []input.Flow
	for i := range int64(8) {
		m.pass(time.Minute)
		a = m.grown(a, 2000+1000*i)
		late = append(late, a)
		if i < 5 {
			b = m.grown(b, 2000+1000*i)
			m.Update([]input.Flow{b})
		}
	}
	m.wantBytes("as the one reports that is there", 6000)
	m.restart()
	m.Update(late)
	m.wantBytes("what was delivered late", 9000)
	m.pass(time.Minute)
	m.Update([]input.Flow{m.grown(a, 10000)})
	m.wantBytes("it continues", 10000)
}

// TestFlowFromBeforeTheClockWasSetBack proves that a flow which began before an agent's
// clock was set back is not taken for one that began after those which another capture
// reported since.
func TestFlowFromBeforeTheClockWasSetBack(t *testing.T) {
	w := newWorld(t, Config{})
	w.arrive(first, [2]string{"n1", "c2"})
	back := time.Duration(0)
	report := func(f input.Flow, ab int64) {
		f.Metric.ABBytes, f.Metric.Last = ab, w.ms(back)
		f.LastUpdate = input.Metric{ABBytes: ab, Start: f.Start, Last: w.ms(back)}
		w.Update([]input.Flow{f})
	}
	a := w.next(w.flow("a1", 0, 0), "a1", 0)
	b := seenBy(a, "n1", "c2")
	w.pass(10 * time.Second)
	report(a, 700)
	back = time.Hour
	w.pass(90 * time.Second)
	a = w.next(a, "a2", back)
	w.pass(10 * time.Second)
	report(a, 300)
	w.wantBytes("two flows of one capture", 1000)
	report(b, 1000)
	w.wantBytes("one of the other", 1000)
}

// TestFirstReportOfTheNextWasLost proves that what a capture takes over when it reports a
// flow, the beginning of which does not count, is not taken for what had been before it.
func TestFirstReportOfTheNextWasLost(t *testing.T) {
	w := newWorld(t, Config{})
	w.arrive(first, [2]string{"n1", "c2"}, [2]string{"n1", "c3"})
	const back = time.Hour // before the epoch, by the clock
	report := func(f input.Flow, ab, lum int64, since time.Duration) {
		f.Metric.ABBytes, f.Metric.Last = ab, w.ms(back)
		f.LastUpdate = input.Metric{ABBytes: lum, Start: w.ms(back + since), Last: w.ms(back)}
		w.Update([]input.Flow{f})
	}
	a := w.next(w.flow("a1", 0, 0), "a1", back)
	b := seenBy(a, "n1", "c2")
	w.pass(5 * time.Second)
	report(a, 60, 60, 5*time.Second)
	report(b, 60, 60, 5*time.Second)
	w.pass(time.Minute)
	a, b = w.next(a, "a2", back), w.next(b, "b2", back)
	c := seenBy(a, "n1", "c3")
	w.pass(35 * time.Second)
	report(a, 1020, 1020, 35*time.Second)
	w.pass(2 * time.Second)
	report(b, 1020, 480, 10*time.Second) // which is history, before the epoch
	w.pass(8 * time.Second)
	report(b, 1260, 240, 8*time.Second)
	w.wantBytes("two captures", 1320)
	report(c, 1260, 1260, time.Minute)
	w.wantBytes("a third one", 1320)
}

// TestClocksOfNodesApart proves that a second node which sees a connection's next flow
// from its start takes over what was before, whichever of the nodes' clocks is ahead.
func TestClocksOfNodesApart(t *testing.T) {
	for _, ahead := range []time.Duration{0, 5 * time.Second, -5 * time.Second} {
		w := newWorld(t, crossingConfig(true))
		w.arrive(first)
		shifted := func(f input.Flow) input.Flow { return shifted(f, second[0], second[1], ahead) }
		arrival := shifted(w.flow("", 0, 0))
		arrival.HasTransport = false
		former := w.flow("a0", 1000, 0)
		w.Update([]input.Flow{arrival, former})
		w.pass(30 * time.Second)
		f := w.next(former, "a1", 0)
		w.pass(10 * time.Second)
		f = w.grown(f, 500)
		w.Update([]input.Flow{f, shifted(f)})
		for n := int64(1); n <= 3; n++ { // the first node's capture is gone
			w.pass(10 * time.Second)
			f = w.grown(f, 500+300*n)
			w.Update([]input.Flow{shifted(f)})
		}
		w.wantBytes(fmt.Sprint("the second clock is ahead by ", ahead), 1000+1400)
	}
}
