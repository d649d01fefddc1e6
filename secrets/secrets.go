// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package secrets knows every secret in force, hides them in texts that leave the
// process, and reads the files that hold them without ever waiting for one.
package secrets

import (
	"cmp"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// maxRemembered is how many secrets are remembered beside those of the configuration:
// contents of files and tokens, also for a while after they were replaced.
const maxRemembered = 256

// Secret is a text that no other text may show.
type Secret struct {
	Text string
	// Word says that the text is often an ordinary word, such as a tenant's name:
	// it is hidden where it stands as a value, as a short secret is.
	Word bool
}

// Set is the secrets in force, and those that were until recently. Its methods
// may be used by several goroutines at once.
type Set struct {
	mu     sync.Mutex
	known  map[string]*known // by text
	uses   uint64
	hiding atomic.Pointer[hider] // nil: to be made
}

// New returns an empty set.
func New() *Set { return &Set{known: map[string]*known{}} }

// Pin makes these the secrets of the configuration, in place of those of the one
// before, which are remembered for a while.
func (s *Set) Pin(list []Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.known {
		k.pinned = false
	}
	for _, one := range list {
		if k := s.use(one); k != nil {
			k.pinned = true
		}
	}
	s.evict()
}

// Add remembers secrets that were read or received.
func (s *Set) Add(list ...Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range list {
		s.use(one)
	}
	s.evict()
}

// use notes that a secret is in use. The caller holds mu. What is PEM is no
// secret here, for peers never receive it: keys, certificates.
func (s *Set) use(one Secret) *known {
	if one.Text == "" || strings.HasPrefix(strings.TrimSpace(one.Text), "-----BEGIN ") {
		return nil
	}
	s.uses++
	k := s.known[one.Text]
	if k == nil {
		k = &known{word: one.Word}
		s.known[one.Text] = k
		s.hiding.Store(nil)
	} else if k.word && !one.Word {
		k.word = false
		s.hiding.Store(nil)
	}
	k.used = s.uses
	return k
}

// evict forgets what is remembered beyond the bound. The caller holds mu.
func (s *Set) evict() {
	if len(s.known) <= maxRemembered {
		return
	}
	loose := slices.DeleteFunc(slices.Collect(maps.Keys(s.known)), func(text string) bool { return s.known[text].pinned })
	if len(loose) <= maxRemembered {
		return
	}
	slices.SortFunc(loose, func(a, b string) int { return cmp.Compare(s.known[b].used, s.known[a].used) })
	for _, text := range loose[maxRemembered:] {
		delete(s.known, text)
	}
	s.hiding.Store(nil)
}

// hider returns what hides the secrets that are known now.
func (s *Set) hider() *hider {
	if h := s.hiding.Load(); h != nil {
		return h
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := newHider(s.known)
	s.hiding.Store(h)
	return h
}

// Hide returns text without secrets, and without what looks like the value of an
// Authorization header. A short secret is hidden only where it stands as a value:
// name=value, name: value, a part of a URL's query.
func (s *Set) Hide(text string) string { return s.hider().hide(text) }

// HideCut is Hide for a text that was cut off at its end: what may be the
// beginning of a secret there goes as well.
func (s *Set) HideCut(text string) string {
	h := s.hider()
	return h.trimBegun(h.hide(text))
}

// Error returns an error whose text is err's without secrets; nil for nil.
func (s *Set) Error(err error) error {
	if err == nil {
		return nil
	}
	return &hiddenError{err, s}
}

type hiddenError struct {
	error
	set *Set
}

func (e *hiddenError) Error() string { return e.set.Hide(e.error.Error()) }
func (e *hiddenError) Unwrap() error { return e.error }

// Basic returns what is secret of credentials for basic authentication.
func Basic(username, password string) []Secret {
	if password == "" {
		return nil
	}
	return []Secret{{Text: password}, {Text: base64.StdEncoding.EncodeToString([]byte(username + ":" + password))}}
}
