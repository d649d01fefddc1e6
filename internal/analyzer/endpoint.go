// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	ws "github.com/skydive-project/skydive/graffiti/websocket"
)

const (
	namespaceFlow  = "flow"
	namespaceStats = "stats"
	// flowsPerMessage is the most that a real analyzer puts in one message.
	flowsPerMessage = 100
)

// Subscriber is one connected client.
type Subscriber struct {
	HostID     string // its X-Host-ID, else its address
	Namespaces []string
	Header     http.Header // of its request
	Connected  time.Time
}

// endpoint decides what is sent, as Skydive's flow endpoint does. Whether a
// subscriber then gets it is decided by the server, which has its own list of
// each one's namespaces.
//
// The fault that it shares with the real one (fault 1 of the feed's notes): a
// namespace is sent while it is known, any subscriber makes its namespaces
// known when it connects, and one that disconnects makes all of them unknown.
type endpoint struct {
	pool ws.StructSpeakerPool // set before anything is served

	mu       sync.Mutex
	known    map[string]bool
	clients  map[ws.Speaker]Subscriber
	accepted int
	gone     int           // of the accepted
	changed  chan struct{} // closed and replaced at every change
}

func newEndpoint() *endpoint {
	return &endpoint{
		known:   map[string]bool{},
		clients: map[ws.Speaker]Subscriber{},
		changed: make(chan struct{}),
	}
}

func (e *endpoint) announceLocked() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// OnConnected implements Skydive's SpeakerEventHandler.
func (e *endpoint) OnConnected(c ws.Speaker) error {
	header := c.GetHeaders()
	namespaces, ok := header["X-Websocket-Namespace"]
	if !ok {
		namespaces = []string{namespaceFlow, namespaceStats}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ns := range namespaces {
		e.known[ns] = true
	}
	e.accepted++
	e.clients[c] = Subscriber{
		HostID:     c.GetRemoteHost(),
		Namespaces: slices.Clone(namespaces),
		Header:     header.Clone(),
		Connected:  time.Now(),
	}
	e.announceLocked()
	return nil
}

// OnDisconnected implements Skydive's SpeakerEventHandler, fault included.
func (e *endpoint) OnDisconnected(c ws.Speaker) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.clients, c)
	e.gone++
	clear(e.known)
	e.announceLocked()
}

// OnMessage implements Skydive's SpeakerEventHandler: subscribers have nothing
// to say.
func (e *endpoint) OnMessage(ws.Speaker, ws.Message) {}

// OnPong implements Skydive's PongListener. The first pong is the first event
// after the server has put the client into its pool; before that a message
// would miss it.
func (e *endpoint) OnPong(ws.Speaker) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.announceLocked()
}

// waitGone returns when every client that connected has disconnected.
func (e *endpoint) waitGone() {
	for {
		e.mu.Lock()
		changed, rest := e.changed, e.accepted-e.gone
		e.mu.Unlock()
		if rest == 0 {
			return
		}
		<-changed
	}
}

func (e *endpoint) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.known)
	e.announceLocked()
}

// subscribers returns the clients that a message sent now would reach, and a
// channel that is closed when that may have changed.
func (e *endpoint) subscribers() ([]Subscriber, <-chan struct{}) {
	e.mu.Lock()
	changed := e.changed
	e.mu.Unlock()
	// The pool is asked without the lock: it calls back with its own held.
	pooled := e.pool.GetSpeakers()
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Subscriber
	for _, c := range pooled {
		if s, ok := e.clients[c]; ok {
			out = append(out, s)
		}
	}
	return out, changed
}

func (e *endpoint) namespaces() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.known))
}

func (e *endpoint) knows(ns string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.known[ns]
}

func (e *endpoint) sendFlows(flows []Flow) {
	for chunk := range slices.Chunk(flows, flowsPerMessage) {
		byCapture := map[string][]Flow{}
		for _, f := range chunk {
			byCapture[f.CaptureID] = append(byCapture[f.CaptureID], f)
		}
		if e.knows(namespaceFlow) {
			e.pool.BroadcastMessage(ws.NewStructMessage(namespaceFlow, "store", chunk))
		}
		for _, capture := range slices.Sorted(maps.Keys(byCapture)) {
			if ns := namespaceFlow + "/" + capture; e.knows(ns) {
				e.pool.BroadcastMessage(ws.NewStructMessage(ns, "store", byCapture[capture]))
			}
		}
	}
}

func (e *endpoint) sendStats(s Stats) {
	if e.knows(namespaceStats) {
		e.pool.BroadcastMessage(ws.NewStructMessage(namespaceStats, "stats", s))
	}
}
