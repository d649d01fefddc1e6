// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/internal/receiver"
)

// patience is the bridge's remote_timeout. An answer that comes when the bridge
// has just given up is none that it has heard, and the receiver cannot tell: so it
// is far longer than a busy machine makes a request wait.
const patience = 5 * time.Second

// weather decides what goes wrong with each request to a receiver.
type weather struct {
	mu  sync.Mutex
	rng *rand.Rand
	sky kind // empty: clear
}

func newWeather(seed uint64) *weather { return &weather{rng: rand.New(rand.NewPCG(seed, 2))} }

func (w *weather) set(sky kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sky = sky
}

// fault is what goes wrong with the next request. Some fare well in any weather.
func (w *weather) fault() (f receiver.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sky == "" || w.rng.IntN(4) == 0 {
		return f
	}
	stored := w.rng.IntN(2) == 0
	switch w.sky {
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
		f.Status = []int{500, 502, 503, 504, 429}[w.rng.IntN(5)]
		f.Body = "it is raining"
		f.Store = stored && f.Status != http.StatusTooManyRequests
		if w.rng.IntN(8) == 0 {
			f.Header = http.Header{"Retry-After": {"1"}}
		}
	case receiverResets:
		if w.rng.IntN(2) == 0 {
			f.ResetAfter = 1 + w.rng.IntN(500)
			break
		}
		f.NoAnswer, f.Store = true, stored
		if !stored {
			f.Status = http.StatusBadGateway // nobody gets to see it
		}
	}
	return f
}
