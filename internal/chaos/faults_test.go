// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
)

// patience is the bridge's remote_timeout. An answer that comes when the bridge
// has just given up is none that it has heard, and the receiver cannot tell: so it
// is far longer than a busy machine makes a request wait.
const patience = 5 * time.Second

// smallRequest is how large a request may be for a receiver that takes small ones
// only: some tens of series.
const smallRequest = 2 << 10

// version is that of a remote-write request.
func version(r *http.Request) int {
	if strings.Contains(r.Header.Get("Content-Type"), "v2.Request") {
		return 2
	}
	return 1
}

// faults decides what goes wrong with each request to a receiver.
type faults struct {
	mu   sync.Mutex
	rng  *rand.Rand
	kind kind // empty: clear
	// elsewhere is where requests are redirected to.
	elsewhere string
	// version is the only one that is spoken, status the answer to the other one.
	version, status int
}

func newFaults(seed uint64, elsewhere string) *faults {
	return &faults{rng: rand.New(rand.NewPCG(seed, 2)), elsewhere: elsewhere}
}

func (w *faults) set(kind kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kind = kind
	w.version, w.status = 2, http.StatusUnsupportedMediaType
	if w.rng.IntN(2) == 0 {
		w.version, w.status = 1, []int{400, 403, 404, 406, 415, 422}[w.rng.IntN(6)]
	}
}

// fault is what goes wrong with the next request. Some succeed all the same.
func (w *faults) fault(r *http.Request) (f receiver.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.kind == receiverVersion && version(r) != w.version:
		return receiver.Fault{Status: w.status, Body: "this version is not spoken"}
	case w.kind == receiverVersion:
		return f
	case w.kind == receiverSmall && r.ContentLength > smallRequest:
		return receiver.Fault{Status: http.StatusRequestEntityTooLarge, Body: "too large"}
	}
	if w.kind == "" || w.rng.IntN(4) == 0 {
		return f
	}
	stored := w.rng.IntN(2) == 0
	switch w.kind {
	case receiverSlow:
		switch w.rng.IntN(6) {
		case 0: // until the bridge gives up
			f.HangForever, f.Store = true, stored
		case 1, 2:
			f.ReadPause = time.Millisecond + upTo(w.rng, 10*time.Millisecond)
		default:
			ready := make(chan struct{})
			time.AfterFunc(upTo(w.rng, patience/10), func() { close(ready) })
			f.Hang = ready
		}
	case receiverErrors:
		f.Status = []int{500, 502, 503, 504, 408, 425, 429}[w.rng.IntN(7)]
		f.Body = "it is raining"
		f.Store = stored && f.Status/100 == 5
		if w.rng.IntN(8) == 0 {
			f.Header = http.Header{"Retry-After": {"1"}}
		}
	case receiverEchoes:
		f.Status, f.Body = http.StatusBadGateway, requestText(r)
	case receiverMoves:
		f.Status, f.Header = http.StatusTemporaryRedirect, http.Header{"Location": {w.elsewhere}}
	case receiverResets:
		if w.rng.IntN(2) == 0 {
			f.ResetAfter = 1 + w.rng.IntN(500)
			break
		}
		f.NoAnswer, f.Store = true, stored
		if !stored {
			f.Status = http.StatusBadGateway // no one gets to see it
		}
	}
	return f
}
