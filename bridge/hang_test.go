// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/bridge/notify"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/disktest"
	"github.com/skydive-project/skybridge/internal/loopback"
	"github.com/skydive-project/skybridge/internal/prom"
)

// silentServer accepts connections and never answers. Asked has a token for each.
func silentServer(t *testing.T) (address string, asked <-chan struct{}) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	accepted := make(chan struct{}, 1000)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			accepted <- struct{}{}
		}
	}()
	return l.Addr().String(), accepted
}

// withTokenFrom is the configuration of the Prometheus, and of a receiver that needs a
// token from that address, in this order.
func (r *rig) withTokenFrom(address string) string {
	return fmt.Sprintf("remote_write:\n  - url: %s\n  - {name: hung, url: 'http://%s/', remote_timeout: 1s,\n     oauth2: {client_id: c, client_secret: s3cret-value, token_url: 'http://%s/'}}\n",
		r.prom.WriteURL(), loopback.Address(), address)
}

// healthy says what /-/healthy answers.
func (r *rig) healthy() error {
	_, _, err := await.Page(r.ctx, r.url+"/-/healthy", "")
	return err
}

// TestHungTokenEndpoint has a receiver whose token endpoint accepts and never answers,
// beside a Prometheus. Neither a reload that renames every series, nor one that mends
// the endpoint, nor one that removes it, nor the end waits for it: the Prometheus gets
// everything, and the bridge is healthy.
func TestHungTokenEndpoint(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.timing = defaultTiming()
	r.timing.flush = 100 * time.Millisecond // what is left is not pushed anyhow
	token, asked := silentServer(t)
	r.configure("", r.withTokenFrom(token))
	r.start()
	check := func(when string) {
		t.Helper()
		r.report(20)
		r.await(r.totalArrived)
		if err := r.healthy(); err != nil {
			t.Errorf("%s: not healthy: %v", when, err)
		}
	}
	reload := func(when, global, rest string) {
		t.Helper()
		r.configure(global, rest)
		r.reloadNow()
		check(when)
	}
	check("at first")
	<-asked
	other, askedToo := silentServer(t)
	reload("renamed", ", external_labels: {site: b}", r.withTokenFrom(token))
	reload("mended, so to say", ", external_labels: {site: b}", r.withTokenFrom(other))
	<-askedToo // the new settings are in use
	reload("removed and renamed", "", "")
	reload("back", "", r.withTokenFrom(token))
	r.halt()
	r.judgeTotal()
}

// TestHungDisk has the disk not answer any more. The bridge pushes from memory and says
// that exactness is suspended; neither its watchdog nor /-/healthy takes that for a
// bridge that hangs; and it stops in order although the disk never answers again.
func TestHungDisk(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	m, fs := &manager{}, disktest.NewHanging(disk.OS{})
	r.dir, r.fs = t.TempDir(), fs
	r.timing = defaultTiming()
	r.timing.disk = 300 * time.Millisecond
	r.service = notify.New(notify.Options{Send: m.send, Watchdog: 30 * time.Second, Logger: slog.New(slog.NewTextHandler(r.logs, nil))})
	r.configure("", "")
	r.start()
	r.play(20)
	release := fs.Hang(func(op disktest.Op, _ string) bool { return op != disktest.Read })
	t.Cleanup(release)
	r.report(20)
	r.await(r.totalArrived)
	r.await(func() (bool, string) {
		suspended, err := await.Scrape(r.ctx, r.url, "skybridge_exactness_suspended")
		return suspended == 1, fmt.Sprintf("exactness suspended: %v (%v)", suspended, err)
	})
	ready, _, err := await.Page(r.ctx, r.url+"/-/ready", "")
	if err != nil || !strings.Contains(ready, "exactness is suspended") {
		t.Errorf("ready: %q, %v", ready, err)
	}
	if err := r.healthy(); err != nil {
		t.Errorf("not healthy: %v", err)
	}
	r.halt()
	if n := m.after(0, "STATUS=hangs"); n > 0 {
		t.Errorf("said %d times that it hangs", n)
	}
	r.judgeTotal()
	for _, s := range r.raw() { // no process will continue them
		if !ended(s) {
			t.Errorf("%v did not end", s.Labels)
		}
	}
	if !strings.Contains(r.logs.String(), "delete "+r.dir) {
		t.Errorf("it is not said that the state has to go:\n%s", r.logs)
	}
}

// TestPartThatDoesNotEnd proves that a bridge stops without a part that hangs, and
// without a last tick where the lock of the ticks is held, and says so.
func TestPartThatDoesNotEnd(t *testing.T) {
	l := newLab(t)
	l.configure("")
	l.start()
	defer l.halt()
	hung := make(chan struct{})
	p := startPart("a reload", func() error { <-hung; return nil })
	if err := l.await(time.Millisecond, p); err != nil {
		t.Error(err)
	}
	if !strings.Contains(l.logs.String(), `part="a reload"`) {
		t.Errorf("not logged:\n%s", l.logs)
	}
	close(hung)
	<-p.ended
	l.ticking.Lock()
	l.lastTick() // no last tick, but an end
	l.ticking.Unlock()
	if !strings.Contains(l.logs.String(), "there is no last tick") {
		t.Errorf("not logged:\n%s", l.logs)
	}
}

// TestStopThatHangs has a message to the service manager that never ends. The bridge
// ends all the same when its time is over, with an error that says why.
func TestStopThatHangs(t *testing.T) {
	l := newLab(t)
	l.configure("")
	hung := make(chan struct{})
	t.Cleanup(func() { close(hung) })
	l.options.timing = defaultTiming()
	l.options.timing.stop = 50 * time.Millisecond
	l.options.Service = notify.New(notify.Options{Logger: l.options.Logger, Send: func(state string) error {
		if state == "STOPPING=1" {
			<-hung
		}
		return nil
	}})
	cfg, err := load(l.options)
	if err != nil {
		t.Fatal(err)
	}
	if l.Bridge, err = newBridge(cfg, l.options); err != nil {
		t.Fatal(err)
	}
	if err := l.web.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := l.runAndClose(ctx); err == nil || !strings.Contains(err.Error(), "has not stopped within 50ms") || !strings.Contains(err.Error(), "the notification of systemd") {
		t.Errorf("%v", err)
	}
}
