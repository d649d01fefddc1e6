// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"context"
	"fmt"
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
	mu       sync.Mutex
	pool     ws.StructSpeakerPool // of the server in this life
	known    map[string]bool
	clients  map[ws.Speaker]Subscriber
	accepted int           // since the start of this life
	gone     int           // of the accepted
	changed  chan struct{} // closed and replaced at every change
}

func newEndpoint() endpoint {
	return endpoint{
		known:   map[string]bool{},
		clients: map[ws.Speaker]Subscriber{},
		changed: make(chan struct{}),
	}
}

// begin begins a life without subscribers: those of the one before have gone.
func (e *endpoint) begin(pool ws.StructSpeakerPool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pool, e.accepted, e.gone = pool, 0, 0
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

// Forget brings fault 1 about without a second client: every namespace is
// forgotten, as if some subscriber had left. Pings continue.
func (e *endpoint) Forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.known)
	e.announceLocked()
}

// Subscribers returns the clients that a message sent now would reach.
func (e *endpoint) Subscribers() []Subscriber {
	s, _ := e.subscribers()
	return s
}

// subscribers returns them, and a channel that is closed when that may have changed.
func (e *endpoint) subscribers() (out []Subscriber, changed <-chan struct{}) {
	e.mu.Lock()
	changed, pool := e.changed, e.pool
	e.mu.Unlock()
	// The pool is asked without the lock: it calls back with its own held.
	pooled := pool.GetSpeakers()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range pooled {
		if s, ok := e.clients[c]; ok {
			out = append(out, s)
		}
	}
	return out, changed
}

// Wait returns when ok says so of the subscribers, which it asks at every
// change, or with the context's error.
func (e *endpoint) Wait(ctx context.Context, ok func([]Subscriber) bool) error {
	for {
		s, changed := e.subscribers()
		if ok(s) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("analyzer: wait with %d subscribers: %w", len(s), ctx.Err())
		}
	}
}

// WaitSubscribers returns when n subscribers are connected.
func (e *endpoint) WaitSubscribers(ctx context.Context, n int) error {
	return e.Wait(ctx, func(s []Subscriber) bool { return len(s) == n })
}

// Accepted returns how many subscriptions there were since the last start.
func (e *endpoint) Accepted() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.accepted
}

// Namespaces returns the namespaces that are being sent, sorted; those that
// fault 1 made the analyzer forget are missing.
func (e *endpoint) Namespaces() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.known))
}

// send sends a message to a namespace, if anyone made it known.
func (e *endpoint) send(namespace, kind string, message any) {
	e.mu.Lock()
	known, pool := e.known[namespace], e.pool
	e.mu.Unlock()
	if known {
		pool.BroadcastMessage(ws.NewStructMessage(namespace, kind, message))
	}
}

// SendFlows sends flows as a real analyzer does: at most 100 a message, to the
// namespace flow and to that of each capture, if anyone made it known. Like the
// real one it blocks when a subscriber leaves its queue of 10,000 messages full.
func (e *endpoint) SendFlows(flows []Flow) {
	for chunk := range slices.Chunk(flows, flowsPerMessage) {
		byCapture := map[string][]Flow{}
		for _, f := range chunk {
			byCapture[f.CaptureID] = append(byCapture[f.CaptureID], f)
		}
		e.send(namespaceFlow, "store", chunk)
		for _, capture := range slices.Sorted(maps.Keys(byCapture)) {
			e.send(namespaceFlow+"/"+capture, "store", byCapture[capture])
		}
	}
}

// SendStats sends a capture's statistics to the namespace stats.
func (e *endpoint) SendStats(s Stats) { e.send(namespaceStats, "stats", s) }

// SendRaw sends a whole message as it is to every subscriber, whatever its
// namespaces and whatever the analyzer has forgotten. It need not be JSON.
func (e *endpoint) SendRaw(message []byte) {
	e.mu.Lock()
	pool := e.pool
	e.mu.Unlock()
	pool.BroadcastMessage(ws.RawMessage(message))
}
