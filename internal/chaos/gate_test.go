// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/loopback"
)

// gate is the address of a receiver, at which at times there is no one. It is
// opened and shut by one goroutine.
type gate struct {
	next    http.Handler
	address string
	server  *http.Server // nil: shut
	served  sync.WaitGroup
	// connections are those of which something may still be read, busy what is
	// handled.
	connections, busy sync.WaitGroup
	// blackhole: the process that sends here has crashed. Everything is taken and
	// nothing is kept.
	blackhole atomic.Bool
	// wasOpen: the gate was open when it became a blackhole.
	wasOpen bool
}

// newGate opens a gate.
func newGate(t *testing.T, next http.Handler) *gate {
	g := &gate{next: next, address: loopback.Address()}
	g.open(t)
	t.Cleanup(g.shut)
	return g
}

func (g *gate) url() string { return "http://" + g.address + "/api/v1/write" }

func (g *gate) open(t *testing.T) {
	t.Helper()
	if g.server != nil {
		return
	}
	l, err := loopback.Listen(g.address)
	if err != nil {
		t.Fatalf("receiver does not come back: %v", err)
	}
	g.address = l.Addr().String()
	server := &http.Server{Handler: g, ReadHeaderTimeout: time.Minute, ConnState: g.count, ErrorLog: log.New(io.Discard, "", 0)}
	g.server = server
	g.served.Go(func() { _ = server.Serve(l) }) // until shut
}

// count counts connections until they are closed or, to be reset, taken over.
func (g *gate) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		g.connections.Add(1)
	case http.StateClosed, http.StateHijacked:
		g.connections.Done()
	}
}

// shut refuses connections from now on, cuts those that are there, and returns
// when nothing is handled any more: what somebody who has gone had sent is still
// to be read when he has, and would be taken for sent by the next.
func (g *gate) shut() {
	if g.server == nil {
		return
	}
	_ = g.server.Close()
	g.served.Wait()
	_ = g.server.Close() // what was accepted meanwhile
	g.connections.Wait()
	g.busy.Wait()
	g.server = nil
}

// settle returns when nothing is handled any more of those who have gone.
func (g *gate) settle(t *testing.T) {
	t.Helper()
	if g.server != nil {
		g.shut()
		g.open(t)
	}
}

// becomeBlackhole shuts the gate, for a process that is about to crash. Once it has, the gate may be opened
// again: nothing of what comes then is kept.
func (g *gate) becomeBlackhole() {
	if g.blackhole.Load() {
		return
	}
	g.wasOpen = g.server != nil
	g.shut()
	g.blackhole.Store(true)
}

// ServeHTTP implements http.Handler.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.busy.Add(1) // counted as a connection as well, until it is taken over
	defer g.busy.Done()
	if !g.blackhole.Load() {
		g.next.ServeHTTP(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	accept(w, 1)
}

// accept answers as a receiver that has stored n samples.
func accept(w http.ResponseWriter, n int) {
	for _, what := range []string{"Samples", "Histograms", "Exemplars"} {
		w.Header().Set("X-Prometheus-Remote-Write-"+what+"-Written", fmt.Sprint(n))
		n = 0
	}
	w.WriteHeader(http.StatusNoContent)
}
