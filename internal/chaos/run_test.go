// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
)

// beat is how often the run looks at the clock.
const beat = 10 * time.Millisecond

// run is the time in which events happen.
type run struct {
	*world
	events []event
	undo   []undo // what is to be done later, in order of time
	done   map[kind]int
	gap    time.Duration // between the end of the bridge that is stopping, and its next life
	// between, where given, is called at each beat.
	between func()
}

type undo struct {
	at time.Duration
	do func()
}

// play tells the scenario and lets the events happen, and undoes them all.
func (r *run) play(length time.Duration) {
	r.t.Helper()
	r.done = map[kind]int{}
	began := time.Now()
	for ticker := time.NewTicker(beat); ; {
		elapsed := time.Since(began)
		for len(r.undo) > 0 && (r.undo[0].at <= elapsed || elapsed >= length) {
			next := r.undo[0]
			r.undo = r.undo[1:]
			next.do()
		}
		if r.bridge.check() {
			r.ended()
			r.later(elapsed+r.gap, r.start)
		} else if elapsed >= length && len(r.undo) == 0 && (r.bridge.up() || !r.bridge.running()) {
			break
		}
		for len(r.events) > 0 && r.events[0].at <= elapsed {
			e := r.events[0]
			r.events = r.events[1:]
			if r.happen(e) {
				r.done[e.kind]++
			}
		}
		r.scenario.advance(elapsed)
		if r.between != nil {
			r.between()
		}
		select {
		case <-ticker.C:
		case <-r.ctx.Done():
			r.t.Fatalf("the run takes too long\n%s", r.logs)
		}
	}
	r.scenario.advance(2 * length)
	r.awaitUp()
}

// later does something at a time of the run, at its end at the latest.
func (r *run) later(at time.Duration, do func()) {
	r.undo = append(r.undo, undo{at, do})
	slices.SortStableFunc(r.undo, func(a, b undo) int { return int(a.at - b.at) })
}

// happen lets an event happen. Some cannot while another lasts: those say no.
func (r *run) happen(e event) bool {
	r.t.Helper()
	over := e.at + e.lasts
	switch e.kind {
	case receiverDown:
		g := r.gates[e.target]
		if g.server == nil {
			return false
		}
		g.shut()
		// An answer may have been on its way. The receiver takes it for given, and
		// must not wonder when the request comes again.
		r.receivers[e.target].Restarted()
		r.later(over, func() { r.gates[e.target].open(r.t) }) // perhaps that of another life
	case receiverSlow, receiverErrors, receiverResets, receiverEchoes, receiverMoves, receiverSmall, receiverVersion:
		if e.kind == receiverVersion && r.messages[e.target] != "auto" {
			return false
		}
		r.faults[e.target].set(e.kind)
		r.later(over, func() { r.faults[e.target].set("") })
	case tokensHang, tokensRefused:
		fault := receiver.Fault{HangForever: true}
		if e.kind == tokensRefused {
			fault = receiver.Fault{Status: 400, Echo: true}
		}
		r.tokens.SetFault(fault)
		r.later(over, func() { r.tokens.SetFault(receiver.Fault{}) })
	case analyzerRestart:
		a := r.analyzers[e.target]
		a.Stop()
		r.later(over, func() {
			if err := a.Restart(); err != nil {
				r.t.Fatalf("the analyzer does not come back: %v", err)
			}
		})
	case analyzerCut:
		return r.analyzers[e.target].DropAll() > 0
	case silentFeed:
		r.analyzers[e.target].Forget()
	case repeated:
		r.scenario.repeat()
	case reload, rename:
		if !r.bridge.up() {
			return false
		}
		if e.kind == rename {
			r.rename(e.target)
		}
		r.reloads++
		r.configure()
		r.bridge.reload()
	case kill, powerLoss:
		if !r.bridge.running() {
			return false
		}
		r.bridge.kill()
		r.ended()
		r.later(over, r.start)
	case stop, renamedStart:
		if !r.bridge.up() {
			return false
		}
		r.bridge.terminate()
		r.gap = e.lasts
		if e.kind == renamedStart {
			r.rename(e.target)
		}
	default:
		r.t.Fatalf("unknown event %q", e.kind)
	}
	return true
}

// rename gives series other labels: all of them, or those that one receiver gets.
func (r *run) rename(target int) {
	if r.rng.IntN(2) == 0 {
		r.generation++
		return
	}
	r.generations[target]++
}

// chaos is a whole run: hello, events, the last report, the end, and the verdict.
func (w *world) chaos(seed uint64, mix []kind, events int, length time.Duration) (problems []string) {
	w.t.Helper()
	r := &run{world: w, events: plan(rand.New(rand.NewPCG(seed, 5)), mix, events, length)}
	w.open()
	r.play(length)
	w.close()
	problems = w.verdict()
	w.t.Logf("%s: %d records of %d flows, %d bytes; %d lives of the bridge; %s", time.Since(w.began).Round(time.Millisecond),
		w.scenario.sent, len(w.scenario.last), w.scenario.bytes, w.lives, r.happened())
	if len(problems) > 0 {
		w.t.Logf("the bridge's last words:\n%s", w.logs)
	}
	return problems
}

// happened lists what did.
func (r *run) happened() string {
	var total int
	var list []string
	for kind, n := range r.done {
		total += n
		list = append(list, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(list)
	return fmt.Sprintf("%d events %v", total, list)
}
