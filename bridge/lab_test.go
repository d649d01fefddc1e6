// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	commoncfg "github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/secrets"
)

// lab is a bridge in a synctest bubble, where hours pass in no time: all of it as
// it is shipped, but the two ends that need sockets. Flows are handed to the
// aggregator instead of the feed, and there is no HTTP listener.
type lab struct {
	*Bridge
	t *testing.T
	// began is the bubble's time when the lab was made.
	began   time.Time
	options Options
	logs    *logs
	stop    context.CancelFunc
	ticks   sync.WaitGroup

	mu    sync.Mutex
	off   time.Duration // by how much the time of day is off the bubble's
	dials map[string]dialer
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// newSeed is where a test's randomness begins: what SEED says, to play one again, or
// another one each time. It is called outside of the bubble.
func newSeed(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
	}
	t.Logf("SEED=%d", seed)
	return seed
}

// newLab makes a lab without a bridge. It is called inside of the bubble.
func newLab(t *testing.T) *lab {
	l := &lab{t: t, began: time.Now(), logs: &logs{}, dials: map[string]dialer{}}
	l.options = Options{
		ConfigFile:      filepath.Join(t.TempDir(), "skybridge.yml"),
		ListenAddresses: []string{"127.0.0.1:0"},
		Logger:          slog.New(slog.NewTextHandler(l.logs, nil)),
		secrets:         secrets.New(),
		sender: []commoncfg.HTTPClientOption{
			commoncfg.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
				return l.dial(ctx, network, address)
			}),
			// A connection of a real socket that waits for nothing in particular would
			// keep the bubble's time from passing.
			commoncfg.WithKeepAlivesDisabled(),
		},
	}
	return l
}

// configure writes the configuration: what is given, and an analyzer that no one
// asks.
func (l *lab) configure(text string) {
	l.t.Helper()
	if err := os.WriteFile(l.options.ConfigFile, []byte("skydive: {analyzers: ['ws://127.0.0.1:1']}\n"+text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// serve makes connections to a host of that name.
func (l *lab) serve(host string, dial dialer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dials[host+":80"] = dial
}

func (l *lab) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	dial := l.dials[address]
	l.mu.Unlock()
	if dial == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError("nothing listens at " + address)}
	}
	return dial(ctx, network, address)
}

// setClock sets the time of day to be off by that much.
func (l *lab) setClock(off time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = off
}

func (l *lab) wallClock() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Add(l.off).Round(0)
}

// start runs a bridge until halt.
func (l *lab) start() {
	l.t.Helper()
	cfg, err := load(l.options)
	if err != nil {
		l.t.Fatal(err)
	}
	// Within a process, time passes whatever is done to the time of day.
	l.mu.Lock()
	off := l.off
	l.mu.Unlock()
	l.options.clock = func() (wall, monotonic time.Time) { return l.wallClock(), time.Now().Add(off) }
	if l.Bridge, err = newBridge(cfg, l.options); err != nil {
		l.t.Fatal(err)
	}
	if err := l.resume(); err != nil {
		l.t.Fatal(err)
	}
	l.replica.AnalyzerUp("lab")
	ctx, stop := context.WithCancel(l.t.Context())
	l.stop = stop
	l.ticks.Go(func() { l.tickLoop(ctx) })
}

// halt ends the bridge as SIGTERM does.
func (l *lab) halt() {
	l.stop()
	l.ticks.Wait()
	l.lastTick()
	l.close()
}

// metric sums up one of the bridge's own metrics over its series that have the
// label values.
func (l *lab) metric(name string, values ...string) (sum float64) {
	l.t.Helper()
	families, err := l.registry.Gather()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			have := map[string]bool{}
			for _, pair := range m.GetLabel() {
				have[pair.GetValue()] = true
			}
			for _, v := range values {
				if !have[v] {
					continue series
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}
