// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/internal/loopback"
	"github.com/skydive-project/skybridge/internal/rows"
)

// pipes is a listener whose connections are in memory, for tests on fake time.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	end   chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), end: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.end) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// dial returns the client's end of a new connection.
func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// bubble runs a server on pipes within the bubble; stop ends it and returns
// Run's error.
func bubble(t *testing.T, change func(*Options)) (r rig, p *pipes, stop func() error) {
	r = newRig(t, change)
	p = newPipes()
	r.listeners = []net.Listener{p}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return r, p, func() error { cancel(); return <-done }
}

const request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

// A client that does not read its page is cut off after limits.chunk, one that
// reads a little now and then after limits.page.
func TestSlowReadersAreCutOff(t *testing.T) {
	for _, tc := range []struct {
		name string
		read func(net.Conn) // after the request; returns when the connection ends
		end  time.Duration
	}{
		{"reads nothing", func(net.Conn) {}, defaultLimits().chunk},
		{"trickles", func(c net.Conn) {
			b := make([]byte, 20<<10)
			for {
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
				time.Sleep(20 * time.Second) // the bubble's clock
			}
		}, defaultLimits().page},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := rows.Many(1000)
				s.Endless = true
				r, p, stop := bubble(t, func(o *Options) { o.Source = s })
				c := p.dial()
				start := time.Now()
				if _, err := io.WriteString(c, request); err != nil {
					t.Fatal(err)
				}
				tc.read(c)
				for r.metric(t, "skybridge_http_scrapes_total", resultAborted) == 0 {
					time.Sleep(time.Second)
					if time.Since(start) > time.Hour {
						t.Fatal("not cut off")
					}
				}
				if took := time.Since(start); took < tc.end || took > tc.end+21*time.Second {
					t.Errorf("cut off after %s", took)
				}
				c.Close()
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A reader that is slow but steady gets its page.
func TestSteadyReaderIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := rows.Many(1000)
		r, p, stop := bubble(t, func(o *Options) { o.Source = s })
		c := p.dial()
		if _, err := io.WriteString(c, "GET /metrics?collect[]=connections HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReaderSize(slowly{c}, 4096), nil)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parse(page, answer.Header.Get("Content-Type"))
		if err != nil || len(got.samples) != 5000 {
			t.Errorf("%d series, %v", len(got.samples), err)
		}
		c.Close()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := r.metric(t, "skybridge_http_scrapes_total", resultOK); got != 1 {
			t.Errorf("counted %v", got)
		}
	})
}

// slowly takes a second (of the bubble's clock) for each read.
type slowly struct{ io.Reader }

func (s slowly) Read(b []byte) (int, error) {
	time.Sleep(time.Second)
	return s.Reader.Read(b)
}

// Clients that begin a request and do not continue hold nothing for long.
func TestStalledRequestsAreCutOff(t *testing.T) {
	for _, tc := range []struct{ name, sent string }{
		{"no request", ""},
		{"half a header", "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "},
		{"no body", "POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"},
		{"half a body", "GET /-/healthy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"},
		{"idle", "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, p, stop := bubble(t, nil)
				c := p.dial()
				start := time.Now()
				if _, err := io.WriteString(c, tc.sent); err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, c) // until the server closes
				if took := time.Since(start); took > defaultLimits().idle+time.Minute {
					t.Errorf("closed after %s", took)
				}
				c.Close()
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// wide adds more metrics of the bridge's own than net/http buffers.
func wide(t *testing.T, narrow prometheus.Gatherer) prometheus.Gatherer {
	t.Helper()
	more := prometheus.NewRegistry()
	gauges := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "wide", Help: "Many."}, []string{"n"})
	more.MustRegister(gauges)
	for n := range 1000 {
		gauges.WithLabelValues(strconv.Itoa(n)).Set(1)
	}
	return prometheus.Gatherers{narrow, more}
}

// Clients of collect[]=self that do not read hold nothing that the next one
// needs, however many they are.
func TestStalledWatchersLockNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, p, stop := bubble(t, func(o *Options) { o.Gatherer = wide(t, o.Gatherer) })
		const ask = "GET /metrics?collect[]=self HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
		stalled := make([]net.Conn, 3*defaultLimits().scrapes)
		for i := range stalled {
			stalled[i] = p.dial()
			if _, err := io.WriteString(stalled[i], ask); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := r.metric(t, "skybridge_http_requests_in_flight", ""); got != float64(len(stalled)) {
			t.Errorf("in flight: %v", got)
		}
		c := p.dial()
		if _, err := io.WriteString(c, ask); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("status %d, %v", answer.StatusCode, err)
		}
		c.Close()
		for _, c := range stalled {
			c.Close()
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// One connection more than the limit waits until another ends, and is served
// then.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, stop := bubble(t, nil)
		most := defaultLimits().connections
		open := make([]net.Conn, most)
		for i := range open {
			open[i] = p.dial()
		}
		served := make(chan net.Conn, 1)
		go func() { served <- p.dial() }()
		synctest.Wait()
		select {
		case <-served:
			t.Errorf("%d connections are open", most+1)
		default:
		}
		open[0].Close()
		c := <-served
		if _, err := io.WriteString(c, "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%v, %v", answer, err)
		}
		c.Close()
		for _, c := range open {
			c.Close()
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A request in flight at the end is finished; new ones are not accepted.
func TestRunEndsGracefully(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answer := make(chan struct{}), make(chan struct{})
		_, p, stop := bubble(t, func(o *Options) {
			o.Ready = func() (bool, string) { close(asked); <-answer; return true, "to the end" }
		})
		c := p.dial()
		if _, err := io.WriteString(c, "GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-asked
		ended := make(chan error, 1)
		go func() { ended <- stop() }()
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("ended before the request")
		default:
		}
		if _, err := p.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error("still listening")
		}
		close(answer)
		got, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(got.Body); string(text) != "to the end\n" {
			t.Errorf("%q, %v", text, err)
		}
		c.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A page without end does not hold the end up: it is cut after the grace.
func TestRunCutsWhatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := rows.Many(1000)
		s.Endless = true
		r, p, stop := bubble(t, func(o *Options) { o.Source = s })
		c := p.dial()
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		var reader sync.WaitGroup
		reader.Go(func() { _, _ = io.Copy(io.Discard, slowly{c}) })
		synctest.Wait()
		start := time.Now()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 2*defaultLimits().grace {
			t.Errorf("took %s", took)
		}
		if got := r.metric(t, "skybridge_http_scrapes_total", resultAborted); got != 1 {
			t.Errorf("counted %v", got)
		}
		c.Close()
		reader.Wait()
	})
}

// A handler that hears no one is reported, not waited for without end.
func TestRunReportsWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		_, p, stop := bubble(t, func(o *Options) {
			o.Ready = func() (bool, string) { <-release; return true, "" }
		})
		c := p.dial()
		if _, err := io.WriteString(c, "GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := stop(); err == nil {
			t.Error("no error")
		}
		close(release)
		c.Close()
	})
}

// A listener that fails ends the server with its error.
func TestRunReportsABrokenListener(t *testing.T) {
	r := newRig(t, nil)
	if err := r.Run(t.Context()); err == nil {
		t.Error("no error without Listen")
	}
	if err := r.Listen(); err != nil {
		t.Fatal(err)
	}
	r.listeners[0].Close()
	if err := r.Run(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error: %v", err)
	}
}

// Over TCP: the address is the one chosen, a scrape works, the port is free
// again when Run has returned.
func TestRunOverTCP(t *testing.T) {
	s := rows.Many(100)
	r := newRig(t, func(o *Options) { o.Source = s })
	stop := r.running(t)
	client := &http.Client{Transport: &http.Transport{}}
	answer, err := client.Get("http://" + r.Addr() + "/metrics?collect[]=connections") // asks for gzip, unpacks it
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(page, answer.Header.Get("Content-Type"))
	if err != nil || len(got.samples) != 500 {
		t.Errorf("%d series, %v", len(got.samples), err)
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
	l, err := loopback.Listen(r.Addr())
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	l.Close()
}
