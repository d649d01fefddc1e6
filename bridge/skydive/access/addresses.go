// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// MaxAnalyzers is how many analyzers there can be, names that stand for several
	// looked up.
	MaxAnalyzers = 64
	// LookUpInterval is how often names are looked up again.
	LookUpInterval = 30 * time.Second
	// lookUpTimeout bounds the lookup of a name.
	lookUpTimeout = 10 * time.Second
)

// Resolver looks names up. [net.Resolver] implements it.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// Addresses are the analyzers of a configuration. They may be used concurrently.
type Addresses struct {
	resolver Resolver
	names    []name

	mu      sync.Mutex
	targets [][]Target // of each name, as looked up last; at least one once that has succeeded
}

// Failure says why a name could not be looked up.
type Failure struct {
	Name string // as in the configuration, without query
	Err  error
	// Unknown: it never could be, so that none of its analyzers is known.
	Unknown bool
}

// NewAddresses checks the URLs of a configuration. Errors do not quote them. Resolver nil
// means the system's.
func NewAddresses(urls []string, resolver Resolver) (*Addresses, error) {
	a := &Addresses{resolver: resolver}
	if a.resolver == nil {
		a.resolver = net.DefaultResolver
	}
	for i, raw := range urls {
		n, err := parseName(raw)
		if err != nil {
			return nil, fmt.Errorf("analyzer %d: %w", i+1, err)
		}
		var known []Target
		if !n.several() {
			known = []Target{n.target("", "")}
		}
		a.names, a.targets = append(a.names, n), append(a.targets, known)
	}
	return a, nil
}

// Change reports whether names may stand for others later.
func (a *Addresses) Change() bool { return slices.ContainsFunc(a.names, name.several) }

// Adopt takes what names stood for from those of a former configuration.
func (a *Addresses) Adopt(former *Addresses) {
	former.mu.Lock()
	known := map[string][]Target{}
	for i, n := range former.names {
		known[n.String()] = former.targets[i]
	}
	former.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, n := range a.names {
		if n.several() {
			a.targets[i] = known[n.String()]
		}
	}
}

// LookUp looks the names up, all at once. A name for which that fails, even in part, keeps
// what it stood for.
func (a *Addresses) LookUp(ctx context.Context) (failures []Failure) {
	errs := make([]error, len(a.names))
	var lookups sync.WaitGroup
	for i, n := range a.names {
		if !n.several() {
			continue
		}
		lookups.Go(func() {
			targets, err := a.lookUp(ctx, n)
			a.mu.Lock()
			defer a.mu.Unlock()
			for _, former := range a.targets[i] {
				if err != nil && !slices.Contains(targets, former) {
					targets = append(targets, former)
				}
			}
			a.targets[i], errs[i] = targets, err
		})
	}
	lookups.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, err := range errs {
		if err != nil {
			failures = append(failures, Failure{a.names[i].String(), err, len(a.targets[i]) == 0})
		}
	}
	return failures
}

// Has reports whether the configuration has what a target was made of.
func (a *Addresses) Has(t Target) bool {
	return slices.ContainsFunc(a.names, func(n name) bool { return n.String() == t.From })
}

// Targets returns the first [MaxAnalyzers] analyzers, each once, and how many there are
// beyond.
func (a *Addresses) Targets() (targets []Target, beyond int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, all := range a.targets {
		for _, t := range all {
			switch {
			case slices.ContainsFunc(targets, func(o Target) bool { return o.Name == t.Name }):
			case len(targets) == MaxAnalyzers:
				beyond++
			default:
				targets = append(targets, t)
			}
		}
	}
	return targets, beyond
}

// lookUp returns the analyzers of a name, in order. With an error it returns those that were
// found nevertheless.
func (a *Addresses) lookUp(ctx context.Context, n name) (targets []Target, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	if !n.services {
		return a.addresses(ctx, n, n.url.Hostname(), n.url.Port())
	}
	_, records, err := a.resolver.LookupSRV(ctx, "", "", n.url.Hostname())
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		more, failed := a.addresses(ctx, n, strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
		err = errors.Join(err, failed)
		targets = append(targets, more...)
	}
	if len(records) == 0 {
		err = errors.New("it has no SRV records")
	}
	return targets, err
}

// addresses returns the analyzers at the addresses of a host.
func (a *Addresses) addresses(ctx context.Context, n name, host, port string) (targets []Target, err error) {
	found, err := a.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, netip.Addr.Compare)
	for _, ip := range found {
		at := ip.Unmap().String()
		switch {
		case port != "":
			at = net.JoinHostPort(at, port)
		case ip.Unmap().Is6():
			at = "[" + at + "]"
		}
		targets = append(targets, n.target(at, host))
	}
	if len(targets) == 0 {
		return nil, errors.New("it has no addresses")
	}
	return targets, nil
}
