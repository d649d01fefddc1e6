// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"net/http"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// Message is the protobuf message that an endpoint is sent, named as in
// Prometheus' remote_write stanza.
type Message string

// The messages. MessageAuto finds out by asking which of the others a receiver
// takes, and prefers 2.0.
const (
	MessageAuto Message = "auto"
	Message1    Message = "prometheus.WriteRequest"
	Message2    Message = "io.prometheus.write.v2.Request"
)

// knownVersion is the version with that number.
func knownVersion(n uint64) wire.Version {
	if n > uint64(wire.V2) {
		return wire.Unknown
	}
	return wire.Version(n)
}

// reprobeAfter is when a receiver that did not speak 2.0 is asked again: it may
// have been upgraded behind the same URL.
const reprobeAfter = 24 * time.Hour

// spoken is what is known of the version that a receiver speaks. Only
// MessageAuto needs it. The zero value knows nothing.
type spoken struct {
	mu sync.Mutex
	// known is the version in which the receiver took something, and nothing says yet
	// that it does not any more.
	known wire.Version
	// asked is when it last turned out not to speak 2.0.
	asked time.Time
	// settled are the refusals that were found not to be about the version, because the
	// other one was refused as well.
	settled map[rejection]settled
	// accepted is how many requests were accepted.
	accepted uint64
}

// rejection is a final answer, by the version that was refused and the status.
type rejection struct {
	version wire.Version
	status  int
}

// settled is when that of a rejection was found out.
type settled struct {
	at       time.Time
	tick     uint64
	accepted uint64
}

// use returns the version to send: the configured one, or the one that is known,
// or else 1.0, which nearly every receiver takes.
func (s *spoken) use(m Message) wire.Version {
	switch m {
	case Message1:
		return wire.V1
	case Message2:
		return wire.V2
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.known, wire.V1)
}

// proven says whether the receiver took anything.
func (s *spoken) proven() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known != wire.Unknown
}

// due says whether the receiver should be asked whether it speaks 2.0.
func (s *spoken) due(m Message) bool {
	if m != MessageAuto {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known != wire.V2 && time.Since(s.asked) >= reprobeAfter
}

// accepts records that the receiver took a version, and says whether that is another
// than is known. sought: the version was sent to find out. not2: so it was found out
// that the receiver does not speak 2.0.
func (s *spoken) accepts(v wire.Version, sought, not2 bool) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted++
	changed = s.known == wire.Unknown || s.known != v && sought
	switch {
	case not2:
		s.asked = time.Now()
	case changed:
		s.asked = time.Time{} // what was refused before says nothing
	}
	if changed {
		s.known = v
	}
	return changed
}

// mayBeVersion says whether a rejection of something of a tick may be about the
// version, so that the other one should be tried. Where that was tried, and refused as
// well, it is tried again after a day; but once a tick if something was accepted
// meanwhile, for the receiver may be another, and if the status can mean nothing else.
func (s *spoken) mayBeVersion(r rejection, tick uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known != wire.Unknown && s.known != r.version {
		return true
	}
	was, ok := s.settled[r]
	certain := r.status == http.StatusUnsupportedMediaType || r.status/100 == 2
	return !ok || time.Since(was.at) >= reprobeAfter || tick > was.tick && (certain || s.accepted > was.accepted)
}

// rejects records that both versions were refused.
func (s *spoken) rejects(tick uint64, both ...rejection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled == nil {
		s.settled = make(map[rejection]settled)
	}
	s.asked = time.Now()
	for _, r := range both {
		s.settled[r] = settled{at: s.asked, tick: tick, accepted: s.accepted}
	}
}

// reset begins with what is known of the receiver: nothing, if it is another one.
func (s *spoken) reset(known wire.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = known
	s.clear()
}

// askAgain has a receiver that does not speak 2.0 asked again, and the other version
// tried again at the next refusal.
func (s *spoken) askAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

func (s *spoken) clear() {
	s.asked = time.Time{}
	clear(s.settled)
}
