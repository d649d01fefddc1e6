// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"sync"
	"time"
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

// version is a version of the remote-write protocol; 0 is not known.
type version int

const (
	unknownVersion version = iota
	version1
	version2
)

// String is the number that the specification goes by.
func (v version) String() string {
	switch v {
	case version1:
		return "1.0"
	case version2:
		return "2.0"
	}
	return ""
}

// reprobeAfter is when a receiver that did not speak 2.0 is asked again: it may
// have been upgraded behind the same URL.
const reprobeAfter = 24 * time.Hour

// spoken is what is known of the version that a receiver speaks. Only
// MessageAuto needs it. The zero value knows nothing.
type spoken struct {
	mu    sync.Mutex
	known version
	asked time.Time
}

// use returns the version to send: the configured one, or the one that is known,
// or else 1.0, which every receiver takes.
func (s *spoken) use(m Message) version {
	switch m {
	case Message1:
		return version1
	case Message2:
		return version2
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.known, version1)
}

// due says whether the receiver should be asked which version it speaks.
func (s *spoken) due(m Message) bool {
	if m != MessageAuto {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known == unknownVersion || (s.known == version1 && time.Since(s.asked) >= reprobeAfter)
}

// settle records what the receiver was found to speak, and says whether that is
// new.
func (s *spoken) settle(v version) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.known != v
	s.known, s.asked = v, time.Now()
	return changed
}

// doubt forgets what is known of a receiver that may not be the same any more,
// so that it is asked again. Meanwhile it is sent 1.0.
func (s *spoken) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = unknownVersion
}

// retry2 has a receiver that does not speak 2.0 asked again, as due.
func (s *spoken) retry2() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == version1 {
		s.asked = time.Time{}
	}
}
