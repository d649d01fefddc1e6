// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"math"
	"time"
)

// patience is how long the receiver waits to notice that the sender of an
// earlier request has gone. Only a sender at fault, or a machine that stands
// still, makes it wait that long.
const patience = 10 * time.Second

// bodyHash identifies a request's body.
type bodyHash [32]byte

// fate is what became of a body that arrived.
type fate struct{ final int } // a 2xx, or a 4xx but 429, with which it was answered

// flight is a request that is being handled.
type flight struct {
	hash    bodyHash
	version int
	samples []received
	gone    <-chan struct{} // closed when its sender has left or has its answer
	done    chan struct{}   // closed when it has been handled
	// abandoned: its sender left before there was an answer.
	abandoned bool
	// tooLarge: it was refused as such, and parts of it may come. other: it was refused,
	// perhaps for its version, and may come in the other one; again: it is what came then.
	tooLarge, other, again bool
}

// series is what is known of one series.
type series struct {
	stored []Sample
	// newest is the latest sample seen, stored or not.
	newest Sample
	seen   bool
	// open is the last request that carried the series, while it has no final
	// answer; waiting is it while it is being handled.
	open    *flight
	waiting *flight
	// refused is the last request that carried the series and was refused in a way
	// that allows the same sample in another one.
	refused *flight
	// restarted: the sender may not know what became of the newest sample.
	restarted bool
}

// arrive checks the order of a request's samples against everything before it,
// and enters it as in flight.
func (r *Receiver) arrive(f *flight) {
	r.awaitOthers(f)
	r.mu.Lock()
	defer r.mu.Unlock()
	if before := r.bodies[f.hash]; before == nil {
		r.bodies[f.hash] = &fate{}
	} else if before.final != 0 && len(f.samples) > 0 { // metadata comes again and again
		r.violateLocked("request was sent again after its answer %d", before.final)
	}
	inRequest := make(map[string]bool, len(f.samples))
	oldest := int64(math.MinInt64)
	if r.cfg.Oldest != nil {
		oldest = r.cfg.Oldest()
	}
	for _, s := range f.samples {
		if inRequest[s.key] {
			r.violateLocked("%s: more than one sample in a request", s.key)
		}
		inRequest[s.key] = true
		if s.sample.At < oldest {
			r.violateLocked("%s: sample at %d is older than %d", s.key, s.sample.At, oldest)
		}
		known := r.series[s.key]
		if known == nil {
			known = &series{newest: Sample{At: math.MinInt64}}
			r.series[s.key] = known
		}
		r.checkOrder(s, known, f)
		if s.sample.At > known.newest.At {
			known.restarted = false
		}
		known.newest, known.seen = s.sample, true
		known.waiting = f
		known.open = f
	}
}

// checkOrder checks a sample against what was seen of its series.
func (r *Receiver) checkOrder(s received, known *series, f *flight) {
	if !known.seen {
		return
	}
	resent := known.open != nil && known.open.hash == f.hash
	if known.open != nil && known.open.version != f.version && s.sample.At == known.newest.At {
		resent = true // the sender could not find out which version is spoken
	}
	if was := known.refused; was != nil && s.sample.At == known.newest.At {
		switch {
		case was.tooLarge && len(f.samples) < len(was.samples):
			resent = true
		case was.other && f.version != was.version:
			resent, f.again = true, true
		}
	}
	switch last := known.newest; {
	case s.sample.At < last.At:
		r.violateLocked("%s: sample at %d after one at %d", s.key, s.sample.At, last.At)
	case s.sample.At == last.At && s.sample.Bits != last.Bits:
		r.violateLocked("%s: two values at %d: %v and %v", s.key, last.At, last.Value(), s.sample.Value())
	case s.sample.At == last.At && !resent && !known.restarted:
		r.violateLocked("%s: sample at %d was sent again in another request", s.key, last.At)
	}
	if known.open != nil && !resent && !r.cfg.GiveUps {
		r.violateLocked("%s: sent at %d while an earlier request that carried it has no final answer", s.key, s.sample.At)
	}
}

// Restarted says that the sender was restarted: it may send the newest sample of
// each series once more, whatever became of it, and in other requests. All other
// duties stand.
func (r *Receiver) Restarted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.series {
		known.open, known.restarted = nil, true
	}
	clear(r.bodies)
}

// awaitOthers waits until no other request that carries one of the series is
// being handled. That is at once, unless the earlier request's sender has given
// up waiting and the receiver is about to notice. If it has not, the sender has
// two requests of a series in flight.
func (r *Receiver) awaitOthers(f *flight) {
	for _, s := range f.samples {
		for other := r.waiting(s.key); other != nil; other = r.waiting(s.key) {
			timer := time.NewTimer(patience)
			select {
			case <-other.done:
			case <-other.gone:
			case <-r.closed:
			case <-timer.C:
			}
			timer.Stop()
			r.mu.Lock()
			if !other.left() {
				r.violateLocked("%s: in two concurrent requests", s.key)
			}
			r.land(other)
			r.mu.Unlock()
		}
	}
}

// left says whether the flight's sender has left without an answer.
func (f *flight) left() bool {
	select {
	case <-f.done: // then gone is closed too, or will be, and says nothing
		return f.abandoned
	default:
	}
	select {
	case <-f.gone:
		return true
	default:
		return false
	}
}

func (r *Receiver) waiting(key string) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.series[key]; known != nil {
		return known.waiting
	}
	return nil
}

// land takes a flight's series out of it.
func (r *Receiver) land(f *flight) {
	for _, s := range f.samples {
		if known := r.series[s.key]; known != nil && known.waiting == f {
			known.waiting = nil
		}
	}
}

// leave ends the handling of a request.
func (r *Receiver) leave(f *flight, abandoned bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.land(f)
	f.abandoned = abandoned
	close(f.done)
}

// answered records that the request is about to be answered, nil: by a reset.
// It comes before the answer goes out, so a request that still meets the flight
// after it is concurrent with it.
func (r *Receiver) answered(f *flight, fault *Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.land(f)
	if fault == nil || !fault.final(&r.cfg) {
		return
	}
	if known := r.bodies[f.hash]; known != nil { // else the sender is another by now
		known.final = fault.status()
	}
	f.tooLarge, f.other = fault.tooLarge(), fault.aboutVersion() && !f.again
	for _, s := range f.samples {
		known := r.series[s.key]
		known.open, known.refused = nil, nil
		if f.tooLarge || f.other {
			known.refused = f
		}
	}
}

// store keeps samples; one that is stored already is not kept twice.
func (r *Receiver) store(samples []received) {
	r.mu.Lock()
	defer r.mu.Unlock()
next:
	for _, s := range samples {
		known := r.series[s.key]
		for i := len(known.stored) - 1; i >= 0 && known.stored[i].At >= s.sample.At; i-- {
			// The start is not compared: 1.0 does not carry it.
			if known.stored[i].At == s.sample.At && known.stored[i].Bits == s.sample.Bits {
				continue next
			}
		}
		known.stored = append(known.stored, s.sample)
	}
}
